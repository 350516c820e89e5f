// The first sector of the disk: reads the payload, switches the processor to 64 bits with every
// vector register enabled, and jumps to it. PAYLOAD_SECTORS is given on the command line.
#define PAYLOAD 0x10000   // where the payload is linked
#define TABLES 0x1000     // three page tables
#define CHUNK 64          // sectors read at a time: 32 KiB

    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    cld

read: // INT 13h, function 42h: the BIOS reads by sector number
    movw $CHUNK, packet_count
    movw $packet, %si
    movb $0x42, %ah
    movb $0x80, %dl
    int $0x13
    jc stop
    addw $(CHUNK * 512 / 16), packet_segment
    addl $CHUNK, packet_sector
    cmpl $PAYLOAD_SECTORS, packet_sector
    jbe read

    inb $0x92, %al // address line 20
    orb $2, %al
    outb %al, $0x92

    // The first gigabyte is mapped to itself in pages of 2 MiB.
    movw $TABLES, %di
    movw $(3 * 4096 / 2), %cx
    xorw %ax, %ax
    rep stosw
    movl $(TABLES + 0x1003), TABLES
    movl $(TABLES + 0x2003), TABLES + 0x1000
    movw $(TABLES + 0x2000), %di
    movl $0x83, %eax
1:  movl %eax, (%di)
    addl $0x200000, %eax
    addw $8, %di
    cmpw $(TABLES + 0x3000), %di
    jb 1b

    movl $0x40620, %eax // CR4: PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
    movl %eax, %cr4
    movl $TABLES, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx // EFER: long mode
    rdmsr
    orl $0x100, %eax
    wrmsr
    lgdt descriptors
    movl $0x80000013, %eax // CR0: paging, monitor coprocessor, protected mode
    movl %eax, %cr0
    ljmpl $8, $long

stop:
    hlt
    jmp stop

    .code64
long:
    movl $16, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $0xe7, %eax // XCR0: x87, SSE, AVX, mask registers, both halves of the 512-bit registers
    xsetbv
    fninit
    movl $PAYLOAD, %eax
    jmp *%rax

    .balign 8
table:
    .quad 0
    .quad 0x00af9a000000ffff // code, 64 bits
    .quad 0x00cf92000000ffff // data
descriptors:
    .word . - table - 1
    .long table

    .balign 4
packet:
    .word 16
packet_count:
    .word 0
    .word 0 // offset
packet_segment:
    .word PAYLOAD / 16
packet_sector:
    .quad 1

    .org 510
    .word 0xaa55
