/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of the options of an epilogue. */
#ifndef WEFT_EPILOGUE_OPTIONS_H
#define WEFT_EPILOGUE_OPTIONS_H

/* 1: there is a bias, or its gradient */
#ifndef BIAS
#define BIAS 0
#endif
/* 1: multiply by the activation's derivative at `act_grad`, no activation */
#ifndef ACT_GRAD
#define ACT_GRAD 0
#endif

#endif
