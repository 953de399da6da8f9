/*
 * Loading a shared library while the program runs. What is called in it, the caller's table says.
 */
#include "library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int library_load(const char *file, const struct library_symbol *symbols, size_t count, char *why,
                 size_t why_cap)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(why, why_cap, "%s cannot be loaded, install it: %s", file, dlerror());
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(library, symbols[i].name);
        if (found == NULL) {
            snprintf(why, why_cap, "%s has no %s: is it another version?", file, symbols[i].name);
            return -1;
        }
        memcpy(symbols[i].function, &found, sizeof found);
    }
    return 0;
}
