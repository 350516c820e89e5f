#ifndef CKERNELS_H
#define CKERNELS_H

// Every kernel of the project, by subject.
#include "ckernels_dispatch.h"
#include "ckernels_float.h"
#include "ckernels_int8.h"
#include "ckernels_storage.h"

#endif
