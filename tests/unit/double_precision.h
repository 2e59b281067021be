/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled in front of every file of a library whose float is double (`-include`): the
 * host backend's own source, so precise that finite differences of a whole network are
 * its gradients. After the system's headers, whose floats are those of the C library. */
#ifndef WEFT_TESTS_UNIT_DOUBLE_PRECISION_H
#define WEFT_TESTS_UNIT_DOUBLE_PRECISION_H

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define float double

#endif
