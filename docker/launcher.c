/* bin/config-supervisor: becomes the bundle's Python, whatever the image's variables say, and loses no signal on the way.
 *
 * Static, so that no loader of the image runs. Variables for a loader or its allocator are meant for the image's own libraries
 * (one for musl in LD_PRELOAD ends a glibc program before its first line): they are put aside under another name until our
 * libraries are loaded. Signals to PID 1 that meet no handler are dropped by the kernel, and Python needs a while to start:
 * they are blocked from here on, and the supervisor is told what was blocked before.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aside.h"

#define FAULT_OF_OURS 125

/* All but 32 and 33, with which glibc's threads talk to each other. The kernel's mask: bit 0 is signal 1. */
static const uint64_t SIGNALS = ~(UINT64_C(3) << 31);
static const char *const FOR_LIBRARIES[] = {"LD_", "MALLOC_", "GLIBC_TUNABLES="};

static int is_for_libraries(const char *variable)
{
    for (size_t i = 0; i < sizeof FOR_LIBRARIES / sizeof *FOR_LIBRARIES; i++)
        if (!strncmp(variable, FOR_LIBRARIES[i], strlen(FOR_LIBRARIES[i])))
            return 1;
    return 0;
}

int main(int argc, char **argv, char **envp)
{
    uint64_t given = 0;
    syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &SIGNALS, &given, sizeof given);

    for (char **variable = envp; *variable; variable++) {
        char *aside;
        if (!is_for_libraries(*variable))
            continue;
        if (asprintf(&aside, ASIDE "%s", *variable) < 0) {
            perror("config-supervisor: cannot start");
            return FAULT_OF_OURS;
        }
        *variable = aside;
    }

    char mask[] = "-Xgiven_mask=0123456789abcdef";
    snprintf(mask, sizeof mask, "-Xgiven_mask=%016llx", (unsigned long long)given);
    char *options[] = {PYTHON, "-ISB", "-Xutf8", mask, "-m", "supervisor"};
    size_t count = sizeof options / sizeof *options;
    char *words[count + argc + 1];
    memcpy(words, options, sizeof options);
    for (int i = 1; i < argc; i++)
        words[count++] = argv[i];
    words[count] = NULL;
    execve(PYTHON, words, envp);
    perror("config-supervisor: the bundle must lie where it was made for: " PYTHON);
    return FAULT_OF_OURS;
}
