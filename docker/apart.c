/* lib/apart.so: keeps our process apart from what the image has for its own programs. Loaded before Python's first line.
 *
 * The environment is not used for that: the command inherits it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "aside.h"

/* glibc has it, and no header names it: the services of a database, instead of those in /etc/nsswitch.conf. */
extern int __nss_configure_lookup(const char *database, const char *services);

/* Where distributions keep the public certificate authorities; the last is the bundle's own copy. */
static const char *const AUTHORITIES[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine, distroless */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/ssl/cert.pem",
    OWN_AUTHORITIES,
};

/* Give variables back the names under which the launcher found them. In place, so that /proc/self/environ shows the same. */
static void take_back_variables(void)
{
    for (char **variable = environ; *variable; variable++) {
        size_t before = strlen(*variable);
        if (strncmp(*variable, ASIDE, strlen(ASIDE)))
            continue;
        memmove(*variable, *variable + strlen(ASIDE), before - strlen(ASIDE));
        memset(*variable + before - strlen(ASIDE), 0, strlen(ASIDE));
    }
}

__attribute__((constructor)) static void keep_apart(void)
{
    take_back_variables();

    /* As the process of a script is called, and not python3: for ps and for people. */
    prctl(PR_SET_NAME, "config-supervisor");

    /* Only what is built into our C library: other services are loaded from the image, and are made for another one. */
    __nss_configure_lookup("hosts", "files dns");
    __nss_configure_lookup("passwd", "files");
    __nss_configure_lookup("group", "files");
}

/* Instead of glibc's: no locale but C, whose data alone is not read from the image. Python has UTF-8 of its own. */
char *setlocale(int category, const char *name)
{
    char *(*next)(int, const char *) = (char *(*)(int, const char *))dlsym(RTLD_NEXT, "setlocale");
    if (name && *name && strcmp(name, "C") && strcmp(name, "POSIX"))
        return NULL;
    return next(category, name ? "C" : NULL);
}

static const char *authorities(void)
{
    for (size_t i = 0; i < sizeof AUTHORITIES / sizeof *AUTHORITIES; i++)
        if (!access(AUTHORITIES[i], R_OK))
            return AUTHORITIES[i];
    return NULL;
}

/* Instead of glibc's, by which OpenSSL asks for its settings: the image's configuration may name modules of another OpenSSL,
 * and ours knows only the place where the distribution that it was built for keeps the authorities. */
char *secure_getenv(const char *name)
{
    if (!strcmp(name, "OPENSSL_CONF"))
        return (char *)"/dev/null";
    if (!strcmp(name, "OPENSSL_MODULES") || !strcmp(name, "OPENSSL_ENGINES"))
        return NULL;
    char *value = getenv(name);
    if (!value && !strcmp(name, "SSL_CERT_FILE") && !getenv("SSL_CERT_DIR"))
        return (char *)authorities();
    return value;
}
