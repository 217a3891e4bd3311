/* What most modules are made of: calls, imported and own data, tables, strings, a jump table. */
extern int host_call(int);
extern int host_variadic(const char *, ...);
extern int host_variable;
extern int host_array[16];
extern int host_weak(int) __attribute__((weak));

int exported = 5;
int zeroed[32];
static int own = 3;
static const char *const names[] = { "one", "two", "three", "four" };
const char *exported_name = "a name";
int tentative;
static char buffer[100];

__attribute__((noinline)) static int twice(int x) { return x * 2 + own++; }

int choose(int x)
{
	switch (x) {
	case 0: return host_call(1);
	case 1: return host_array[3];
	case 2: return exported;
	case 3: return zeroed[x];
	case 4: return twice(x);
	case 5: return host_variable;
	case 6: return tentative++;
	case 7: return buffer[x];
	}
	return -1;
}

int (*const table[])(int) = { choose, twice, host_call };
int *pointers[] = { &exported, &host_variable, &host_array[2], &zeroed[4] };

int init_module(void)
{
	if (host_weak)
		return host_weak(1);
	host_variadic("%s\n", names[own & 3]);
	exported ^= table[own & 1](own);
	host_array[own] += *pointers[own & 3];
	if (exported & host_variable)
		buffer[1] = 1;
	return host_call(exported);
}

void cleanup_module(void) { host_call(0); }
