#include <cblas.h>
#include <stddef.h>

// LAPACK's Cholesky factorisation and the inverse made from it, which OpenBLAS exports though
// Debian's header leaves them out. Matrices are column-major; `uplo_length` is Fortran's hidden
// length of the first argument, 1.
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info,
             size_t uplo_length);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info,
             size_t uplo_length);

// Exported by OpenBLAS where it has threads.
int blas_thread_shutdown_(void) __attribute__((weak));

// Ends OpenBLAS's threads, which it starts, to wait in busy loops, when it is loaded.
static inline void openblas_end_threads(void) {
    if (blas_thread_shutdown_)
        blas_thread_shutdown_();
}

// The library's version and options, and the processor whose kernels it chose.
char *openblas_get_config(void);
char *openblas_get_corename(void);
