#ifndef CIMAGES_H
#define CIMAGES_H

#include <stddef.h>
#include <stdint.h>

/* libjpeg and libpng behind plain functions: both report errors by longjmp and are used through
 * macros, neither of which Swift can call. Every function returns 0 on success; otherwise it
 * returns -1 and the failure holds the library's own words. */

/* Why a picture could not be read or written; a C string, truncated where it is too long. */
typedef struct {
    char message[200];
} cimages_failure;

/* The extents of a picture as it is stored, in pixels. */
typedef struct {
    uint32_t width;
    uint32_t height;
} cimages_size;

/* Reads a JPEG's extents without decoding it. */
int cimages_jpeg_size(const uint8_t *data, size_t count, cimages_size *size,
                      cimages_failure *failure);

/* Decodes a JPEG to interleaved 8-bit RGB, `3 * width * height` bytes, which `capacity` must be.
 * Grey is repeated, CMYK and YCCK are taken as inverted (Adobe's convention) and multiplied out.
 * Data that ends early or does not decode is an error, not a half-grey picture. */
int cimages_jpeg_decode(const uint8_t *data, size_t count, uint8_t *pixels, size_t capacity,
                        cimages_failure *failure);

/* Reads a PNG's extents without decoding it. */
int cimages_png_size(const uint8_t *data, size_t count, cimages_size *size,
                     cimages_failure *failure);

/* Decodes a PNG to interleaved 8-bit RGB, `3 * width * height` bytes, which `capacity` must be.
 * Palettes and grey are expanded, 16-bit samples keep their upper byte, alpha is dropped. */
int cimages_png_decode(const uint8_t *data, size_t count, uint8_t *pixels, size_t capacity,
                       cimages_failure *failure);

/* Decodes the numbers that a palette or greyscale PNG stores, palette indices or grey levels,
 * without scaling or expansion, to `width * height` numbers of 16 bits, which `capacity` must be.
 * Alpha is dropped; a colour picture is an error. */
int cimages_png_numbers(const uint8_t *data, size_t count, uint16_t *numbers, size_t capacity,
                        cimages_failure *failure);

/* A file's bytes, allocated by this module. */
typedef struct {
    uint8_t *data;
    size_t count;
    size_t capacity;
} cimages_buffer;

/* Encodes a PNG. With `colours` 0, pixels are 8-bit RGB, `3 * width * height` bytes; otherwise
 * they are indices below `colours` (at most 256), `width * height` bytes, and `palette` holds
 * `3 * colours` bytes. The buffer must be freed with `cimages_buffer_free`, after a failure too. */
int cimages_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height,
                       const uint8_t *palette, uint32_t colours, cimages_buffer *output,
                       cimages_failure *failure);

void cimages_buffer_free(cimages_buffer *buffer);

#endif
