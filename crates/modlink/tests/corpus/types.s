# Every relocation type that an assembler writes on request and that compilers seldom do.
	.text
	.globl forms
forms:
	leaq _GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movabsq $_GLOBAL_OFFSET_TABLE_, %r11
	movabsq $own@GOT, %rax
	movabsq $own@GOTOFF, %rax
	movabsq $host_call@PLTOFF, %rax
	movabsq $host_call@GOTPLT, %rax
	movq $own@GOT, %rax
	call host_call@PLT
	jmp host_call
	jne host_call
	.byte 0xe2
	.byte forms - .
	.data
own:	.quad own
	.quad host_call
	.long own - .
	.quad host_call - .
	.long host_call@PLT
	.quad sized@SIZE
	.long sized@SIZE
	.type sized, @object
	.size sized, 24
sized:	.zero 24
