/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FAT_CODEPAGE_H
#define FAT_CODEPAGE_H

#include <stdint.h>

/* The Unicode character of a byte of an 8.3 name. */
uint16_t fat_codepage_decode(uint8_t byte);

#endif
