#ifndef CKERNELS_FLOAT_H
#define CKERNELS_FLOAT_H

#endif
