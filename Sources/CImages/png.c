#include "cimages.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

/* What the callbacks of one reader or writer share. */
typedef struct {
    const uint8_t *data;
    size_t rest;
    cimages_buffer *output;
    cimages_failure *failure;
    png_bytep *rows;
} stream;

static void on_error(png_structp png, png_const_charp message) {
    stream *state = png_get_error_ptr(png);
    snprintf(state->failure->message, sizeof state->failure->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep target, size_t count) {
    stream *state = png_get_io_ptr(png);
    if (count > state->rest)
        png_error(png, "Premature end of PNG file");
    memcpy(target, state->data, count);
    state->data += count;
    state->rest -= count;
}

static void on_write(png_structp png, png_bytep bytes, size_t count) {
    cimages_buffer *output = ((stream *)png_get_io_ptr(png))->output;
    if (count > output->capacity - output->count) {
        size_t capacity = output->capacity * 2 + count + 4096;
        uint8_t *data = capacity > output->capacity ? realloc(output->data, capacity) : NULL;
        if (!data)
            png_error(png, "Out of memory");
        output->data = data;
        output->capacity = capacity;
    }
    memcpy(output->data + output->count, bytes, count);
    output->count += count;
}

static void on_flush(png_structp png) {
    (void)png;
}

static png_structp new_reader(stream *state, png_infop *info) {
    state->failure->message[0] = 0;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, state, on_error, on_warning);
    *info = png ? png_create_info_struct(png) : NULL;
    if (!*info) {
        snprintf(state->failure->message, sizeof state->failure->message, "Out of memory");
        png_destroy_read_struct(&png, NULL, NULL);
        return NULL;
    }
    png_set_read_fn(png, state, on_read);
    /* Text and profiles are of no use here; keep what a hostile file can make us hold small. */
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_chunk_cache_max(png, 128);
    return png;
}

int cimages_png_size(const uint8_t *data, size_t count, cimages_size *size,
                     cimages_failure *failure) {
    stream state = {.data = data, .rest = count, .failure = failure};
    png_infop info;
    png_structp png = new_reader(&state, &info);
    if (!png)
        return -1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return -1;
    }
    png_read_info(png, info);
    size->width = png_get_image_width(png, info);
    size->height = png_get_image_height(png, info);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

/* Reads all rows into consecutive memory; `bytes` is the length of one. */
static void read_rows(png_structp png, png_infop info, stream *state, uint8_t *target,
                      size_t height, size_t bytes) {
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != bytes)
        png_error(png, "has an unknown pixel layout");
    state->rows = malloc(height * sizeof *state->rows);
    if (!state->rows)
        png_error(png, "Out of memory");
    for (size_t row = 0; row < height; row++)
        state->rows[row] = target + row * bytes;
    png_read_image(png, state->rows);
    png_read_end(png, NULL);
}

/* Reads the header; the size must be what `capacity` values of `channels` to a pixel hold. */
static void read_header(png_structp png, png_infop info, size_t channels, size_t capacity) {
    png_read_info(png, info);
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    if (capacity / (width * channels) != height || capacity % (width * channels) != 0)
        png_error(png, "changed its size between two readings");
}

/* Decodes; returns only on success, all else leaves by longjmp. */
static void decode(png_structp png, png_infop info, stream *state, void *pixels, size_t capacity) {
    read_header(png, info, 3, capacity);
    png_set_strip_16(png);
    png_set_expand(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    size_t width = png_get_image_width(png, info);
    read_rows(png, info, state, pixels, png_get_image_height(png, info), width * 3);
}

/* The same for stored numbers. */
static void decode_numbers(png_structp png, png_infop info, stream *state, void *numbers,
                           size_t capacity) {
    read_header(png, info, 1, capacity);
    if (png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR &&
        png_get_color_type(png, info) != PNG_COLOR_TYPE_PALETTE)
        png_error(png, "holds colours");
    int is_wide = png_get_bit_depth(png, info) == 16;
    png_set_packing(png);
    png_set_strip_alpha(png);
    if (is_wide && *(const uint8_t *)&(uint16_t){1})
        png_set_swap(png);
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    /* Bytes go to the upper half and are widened from the front: number i is written over bytes
     * 2 i and 2 i + 1, which are at or before byte i of the upper half. */
    uint8_t *bytes = (uint8_t *)numbers + (is_wide ? 0 : capacity);
    read_rows(png, info, state, bytes, height, width * (is_wide ? 2 : 1));
    for (size_t i = 0; !is_wide && i < capacity; i++) {
        uint16_t number = bytes[i];
        memcpy((uint8_t *)numbers + 2 * i, &number, 2);
    }
}

/* Runs `body` on a new reader. */
static int with_reader(const uint8_t *data, size_t count, cimages_failure *failure,
                       void (*body)(png_structp, png_infop, stream *, void *, size_t), void *target,
                       size_t capacity) {
    stream state = {.data = data, .rest = count, .failure = failure};
    png_infop info;
    png_structp png = new_reader(&state, &info);
    if (!png)
        return -1;
    if (!setjmp(png_jmpbuf(png))) {
        body(png, info, &state, target, capacity);
        png_destroy_read_struct(&png, &info, NULL);
        free(state.rows);
        return 0;
    }
    png_destroy_read_struct(&png, &info, NULL);
    free(state.rows);
    return -1;
}

int cimages_png_decode(const uint8_t *data, size_t count, uint8_t *pixels, size_t capacity,
                       cimages_failure *failure) {
    return with_reader(data, count, failure, decode, pixels, capacity);
}

int cimages_png_numbers(const uint8_t *data, size_t count, uint16_t *numbers, size_t capacity,
                        cimages_failure *failure) {
    return with_reader(data, count, failure, decode_numbers, numbers, capacity);
}

static void encode(png_structp png, png_infop info, const uint8_t *pixels, uint32_t width,
                   uint32_t height, const uint8_t *palette, uint32_t colours) {
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(png, info, width, height, 8, colours ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colours) {
        png_color entries[256];
        for (uint32_t i = 0; i < colours && i < 256; i++) {
            entries[i] = (png_color){palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]};
        }
        png_set_PLTE(png, info, entries, (int)colours);
    } else {
        /* Predicting from the left and above is nearly as small as trying every filter. */
        png_set_filter(png, 0, PNG_FILTER_SUB | PNG_FILTER_UP);
    }
    png_set_compression_level(png, 5);
    png_write_info(png, info);
    size_t row_bytes = (size_t)width * (colours ? 1 : 3);
    for (uint32_t row = 0; row < height; row++)
        png_write_row(png, pixels + row * row_bytes);
    png_write_end(png, info);
}

int cimages_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height,
                       const uint8_t *palette, uint32_t colours, cimages_buffer *output,
                       cimages_failure *failure) {
    stream state = {.output = output, .failure = failure};
    failure->message[0] = 0;
    memset(output, 0, sizeof *output);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        snprintf(failure->message, sizeof failure->message, "Out of memory");
        png_destroy_write_struct(&png, NULL);
        return -1;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return -1;
    }
    png_set_write_fn(png, &state, on_write, on_flush);
    encode(png, info, pixels, width, height, palette, colours);
    png_destroy_write_struct(&png, &info);
    return 0;
}

void cimages_buffer_free(cimages_buffer *buffer) {
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}
