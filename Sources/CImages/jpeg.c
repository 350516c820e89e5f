#include "cimages.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file may hold any number of scans, each of which costs a pass over the picture;
 * real encoders write about ten. */
enum { max_scans = 200 };

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    cimages_failure *failure;
} error_manager;

static void report(cimages_failure *failure, const char *message) {
    snprintf(failure->message, sizeof failure->message, "%s", message);
}

static void on_error(j_common_ptr info) {
    error_manager *errors = (error_manager *)info->err;
    char message[JMSG_LENGTH_MAX];
    errors->base.format_message(info, message);
    report(errors->failure, message);
    longjmp(errors->escape, 1);
}

/* libjpeg calls damage a warning and paints the rest grey. Where pixels are lost it is an error
 * here; oddities between segments stay harmless. */
static void on_message(j_common_ptr info, int level) {
    if (level >= 0)
        return;
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
        on_error(info);
    default:
        break;
    }
}

static void on_progress(j_common_ptr info) {
    if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > max_scans) {
        report(((error_manager *)info->err)->failure, "has more scans than any encoder writes");
        longjmp(((error_manager *)info->err)->escape, 1);
    }
}

static void start(struct jpeg_decompress_struct *info, error_manager *errors,
                  cimages_failure *failure) {
    memset(info, 0, sizeof *info);
    failure->message[0] = 0;
    info->err = jpeg_std_error(&errors->base);
    errors->base.error_exit = on_error;
    errors->base.emit_message = on_message;
    errors->failure = failure;
}

int cimages_jpeg_size(const uint8_t *data, size_t count, cimages_size *size,
                      cimages_failure *failure) {
    struct jpeg_decompress_struct info;
    error_manager errors;
    start(&info, &errors, failure);
    if (setjmp(errors.escape)) {
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, count);
    jpeg_read_header(&info, TRUE);
    size->width = info.image_width;
    size->height = info.image_height;
    jpeg_destroy_decompress(&info);
    return 0;
}

static uint8_t scaled(uint8_t value, uint8_t by) {
    unsigned product = (unsigned)value * by + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

/* Inverted CMYK holds what each ink leaves of the light, so colour is ink times black. */
static void multiply_out(uint8_t *rgb, const uint8_t *cmyk, size_t width) {
    for (size_t x = 0; x < width; x++, rgb += 3, cmyk += 4) {
        uint8_t black = cmyk[3];
        for (int channel = 0; channel < 3; channel++)
            rgb[channel] = (uint8_t)(black - scaled(255 - cmyk[channel], black));
    }
}

int cimages_jpeg_decode(const uint8_t *data, size_t count, uint8_t *pixels, size_t capacity,
                        cimages_failure *failure) {
    struct jpeg_decompress_struct info;
    error_manager errors;
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    start(&info, &errors, failure);
    if (setjmp(errors.escape)) {
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_create_decompress(&info);
    info.progress = &progress;
    jpeg_mem_src(&info, data, count);
    jpeg_read_header(&info, TRUE);
    int has_ink = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = has_ink ? JCS_CMYK : JCS_RGB;
    size_t row_bytes = (size_t)info.image_width * 3;
    if (capacity / row_bytes != info.image_height || capacity % row_bytes != 0) {
        report(failure, "changed its size between two readings");
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_start_decompress(&info);
    JSAMPARRAY inks = NULL;
    if (has_ink) {
        inks = info.mem->alloc_sarray((j_common_ptr)&info, JPOOL_IMAGE, info.output_width * 4, 1);
    }
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = pixels + row_bytes * info.output_scanline;
        if (has_ink) {
            jpeg_read_scanlines(&info, inks, 1);
            multiply_out(row, inks[0], info.output_width);
        } else {
            jpeg_read_scanlines(&info, &row, 1);
        }
    }
    /* All rows are here; whatever follows them, even a missing end marker, is of no interest. */
    jpeg_destroy_decompress(&info);
    return 0;
}
