/* One function of the measured work; the generator repeats the assembly text that the compiler makes of it. */
extern int host_fn_HF(int), host_var_HV, g_NEXT;
int f_PEER(int);
int g_SELF = 0;
int f_SELF(int x)
{
	g_SELF ^= x;
	x = host_fn_HF(x);
	if (x < 0)
		x += f_PEER(x);
	return x + host_var_HV + g_NEXT;
}
