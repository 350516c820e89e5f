#include "ckernels_float.h"
