// What a bare PC needs around `main`: an entry, the serial port, and a way to switch off.
#include "main.h"

#include <stddef.h>
#include <stdint.h>

extern char bss_start[], bss_end[], stack_top[];

__asm__(".section .text.start,\"ax\"\n"
        ".globl payload_start\n"
        "payload_start:\n"
        "    lea stack_top(%rip), %rsp\n"
        "    call bare_main\n");

static void out(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, CAN_SEND = 0x20, ALL_SENT = 0x40 };

static void open_serial(void) {
    out(COM1 + 3, 0x80); // divisor 1: 115200 baud
    out(COM1, 1);
    out(COM1 + 1, 0);
    out(COM1 + 3, 3); // 8 bits, no parity, one stop bit
}

void say(const char *text) {
    for (; *text; text++) {
        while (!(in(LINE_STATUS)&CAN_SEND)) {
        }
        out(COM1, (uint8_t)*text);
    }
}

// Bochs ends when this word is written to this port.
static void switch_off(void) {
    while (!(in(LINE_STATUS)&ALL_SENT)) {
    }
    for (const char *word = "Shutdown"; *word; word++)
        out(0x8900, (uint8_t)*word);
    for (;;)
        __asm__ volatile("hlt");
}

__attribute__((used)) void bare_main(void) {
    for (char *p = bss_start; p < bss_end; p++)
        *(volatile char *)p = 0;
    open_serial();
    run_checks();
    switch_off();
}
