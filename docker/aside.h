/* Before the name of a variable while Python's loader must not see it: from launcher.c until apart.c is loaded. */
#define ASIDE "_CONFIG_SUPERVISOR_ASIDE_"
