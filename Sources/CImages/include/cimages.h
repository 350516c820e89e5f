#ifndef CIMAGES_H
#define CIMAGES_H

#endif
