# Every form of instruction that may be rewritten.
	.text
	.globl forms
forms:
	movq host_variable@GOTPCREL(%rip), %rax
	movq own@GOTPCREL(%rip), %r12
	movl own@GOTPCREL(%rip), %ecx
	call *host_call@GOTPCREL(%rip)
	call *forms@GOTPCREL(%rip)
	jmp *host_call@GOTPCREL(%rip)
	jmp *forms@GOTPCREL(%rip)
	testq %rdx, own@GOTPCREL(%rip)
	testq %r13, own@GOTPCREL(%rip)
	addq own@GOTPCREL(%rip), %rax
	orq own@GOTPCREL(%rip), %r9
	adcq own@GOTPCREL(%rip), %rbx
	sbbq own@GOTPCREL(%rip), %r10
	andq own@GOTPCREL(%rip), %rcx
	subq own@GOTPCREL(%rip), %r11
	cmpq own@GOTPCREL(%rip), %r15
	cmpq host_variable@GOTPCREL(%rip), %r15
	pushq own@GOTPCREL(%rip)
	.data
own:	.quad own
