/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into the binaries of a build for coverage (coverage.py): a child or a handler of
 * signals that ends the process without exit() writes its counts first. */
#define HIDDEN __attribute__((visibility("hidden")))

void __gcov_dump(void);
_Noreturn void __real__exit(int code);
int __real_raise(int number);
HIDDEN _Noreturn void __wrap__exit(int code);
HIDDEN int __wrap_raise(int number);

void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}

int __wrap_raise(int number)
{
    __gcov_dump();
    return __real_raise(number);
}
