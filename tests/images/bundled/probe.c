/* An app for images that hold nothing else: it tells what it was started with, its configuration, and every signal.
 *
 *     probe [FILE]
 *
 * "world KEY=VALUE …", an "env NAME=VALUE" line each, "config FIRST LINE OF FILE", "ready"; then "signal N" for each signal,
 * and after HUP the configuration again. TERM, INT, QUIT and WINCH end it with 0, or with the number in PROBE_EXIT.
 * PROBE_ORPHANS=N makes so many orphans first, which end at once: their new parent has to reap them.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void show_mask(const char *name)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, name, strlen(name)))
            printf(" %s=%.16s", name, line + strlen(name) + 2);
    if (status)
        fclose(status);
}

static void show_config(const char *path)
{
    char line[256] = "";
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = 0;
    if (file)
        fclose(file);
    printf("config %s\n", line);
}

int main(int argc, char **argv, char **envp)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("world pid=%d ppid=%d pgid=%d uid=%d gid=%d", getpid(), getppid(), getpgrp(), getuid(), getgid());
    show_mask("SigBlk");
    show_mask("SigIgn");
    printf(" descriptors=");
    DIR *descriptors = opendir("/proc/self/fd");
    for (struct dirent *entry; descriptors && (entry = readdir(descriptors));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(descriptors))
            printf("%s,", entry->d_name);
    printf("\n");
    if (descriptors)
        closedir(descriptors);
    for (char **variable = envp; *variable; variable++)
        printf("env %s\n", *variable);

    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGHUP, exit); /* never called, for HUP is blocked: it shows that we can take one */
    for (int i = getenv("PROBE_ORPHANS") ? atoi(getenv("PROBE_ORPHANS")) : 0; i > 0; i--)
        if (!fork()) {
            if (!fork())
                usleep(20000);
            _exit(0);
        }
    if (argc > 1)
        show_config(argv[1]);
    printf("ready\n");
    for (;;) {
        int number;
        sigwait(&all, &number);
        if (number == SIGCHLD)
            continue;
        printf("signal %d\n", number);
        if (number == SIGHUP && argc > 1)
            show_config(argv[1]);
        if (number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGWINCH)
            return getenv("PROBE_EXIT") ? atoi(getenv("PROBE_EXIT")) : 0;
    }
}
