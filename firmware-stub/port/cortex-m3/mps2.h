/*
 * mps2.h - the registers of the MPS2 board with a Cortex-M3 (AN385) that the port uses.
 */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define CLOCK_MHZ 25u /* of the core and everything around it */

/* Peripherals, in the order of their interrupts. */
#define UART0_RX_IRQ 0u
#define UART0_TX_IRQ 1u
#define TIMER0_IRQ   8u

#define UART_DATA     REGISTER(0x40004000u)
#define UART_STATE    REGISTER(0x40004004u)
#define UART_CTRL     REGISTER(0x40004008u)
#define UART_INTCLEAR REGISTER(0x4000400Cu)
#define UART_BAUDDIV  REGISTER(0x40004010u)

#define UART_STATE_TX_FULL  0x1u
#define UART_STATE_RX_FULL  0x2u
#define UART_CTRL_TX_ENABLE 0x1u
#define UART_CTRL_RX_ENABLE 0x2u
#define UART_CTRL_TX_INT    0x4u
#define UART_CTRL_RX_INT    0x8u
#define UART_INT_TX         0x1u
#define UART_INT_RX         0x2u

#define TIMER_CTRL     REGISTER(0x40000000u)
#define TIMER_VALUE    REGISTER(0x40000004u)
#define TIMER_RELOAD   REGISTER(0x40000008u)
#define TIMER_INTCLEAR REGISTER(0x4000000Cu)

#define TIMER_CTRL_ENABLE 0x1u
#define TIMER_CTRL_INT    0x8u

#define WATCHDOG_LOAD     REGISTER(0x40008000u)
#define WATCHDOG_CTRL     REGISTER(0x40008008u)
#define WATCHDOG_INTCLEAR REGISTER(0x4000800Cu) /* any value: it begins anew */

#define WATCHDOG_CTRL_INT   0x1u
#define WATCHDOG_CTRL_RESET 0x2u
#define WATCHDOG_S          4u

#define FPGAIO_LEDS     REGISTER(0x40028000u)
#define FPGAIO_COUNTER  REGISTER(0x40028018u) /* up by one every FPGAIO_PRESCALE + 1 clocks */
#define FPGAIO_PRESCALE REGISTER(0x4002801Cu)

#define NVIC_ENABLE  REGISTER(0xE000E100u)
#define NVIC_DISABLE REGISTER(0xE000E180u)
#define NVIC_CLEAR   REGISTER(0xE000E280u)

#define SCB_VTOR          REGISTER(0xE000ED08u)
#define SCB_RESET         REGISTER(0xE000ED0Cu)
#define SCB_RESET_REQUEST 0x05FA0004u

#endif
