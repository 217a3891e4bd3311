/* What the measured objects import: 256 functions and 64 variables, named by two hexadecimal digits, and a table of
 * them for the loaders' resolvers. A function returns no negative number for a negative argument, so the recursion of
 * the measured code ends. llvm-jitlink runs in a process of its own and gets this very file, with -DHOST_MAIN. */

#define SIXTEEN(M, row) M(row##0) M(row##1) M(row##2) M(row##3) M(row##4) M(row##5) M(row##6) M(row##7) \
                      M(row##8) M(row##9) M(row##a) M(row##b) M(row##c) M(row##d) M(row##e) M(row##f)
#define UP_TO_3F(M) SIXTEEN(M, 0) SIXTEEN(M, 1) SIXTEEN(M, 2) SIXTEEN(M, 3)
#define UP_TO_FF(M) UP_TO_3F(M) SIXTEEN(M, 4) SIXTEEN(M, 5) SIXTEEN(M, 6) SIXTEEN(M, 7) SIXTEEN(M, 8) SIXTEEN(M, 9) \
                    SIXTEEN(M, a) SIXTEEN(M, b) SIXTEEN(M, c) SIXTEEN(M, d) SIXTEEN(M, e) SIXTEEN(M, f)

#define FN(n) int host_fn_##n(int x) { return x < 0 ? ~x >> 1 : (int)(x * 17u + 0x##n * 0x01010101u); }
#define VAR(n) int host_var_##n = 0x##n * 3 + 1;
UP_TO_FF(FN)
UP_TO_3F(VAR)

#ifdef HOST_MAIN
int printf(const char *, ...);
unsigned bench_entry(int);
int main(void) { return printf("checksum %u\n", bench_entry(1)) < 0; }
#else
#define FN_ENTRY(n) { "host_fn_" #n, (const void *)host_fn_##n },
#define VAR_ENTRY(n) { "host_var_" #n, &host_var_##n },
const struct { const char *name; const void *address; } host_table[] = { UP_TO_FF(FN_ENTRY) UP_TO_3F(VAR_ENTRY) };
const unsigned long host_table_length = sizeof host_table / sizeof host_table[0];
#endif
