#include "ckernels_storage.h"
