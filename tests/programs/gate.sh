#!/bin/sh
# A hook that waits at a gate, if it is armed: gate.sh FOLDER NAME [FILE]. It says that it is here, waits until the gate is open,
# and leaves with the code that stands in it. With FILE, it leaves with 1 at once as long as that holds "two".
if [ -n "$3" ] && grep -q two "$3"; then exit 1; fi
[ -e "$1/$2.armed" ] || exit 0
echo $$ > "$1/$2.passing" && mv "$1/$2.passing" "$1/$2.here"
while [ ! -s "$1/$2.open" ]; do sleep 0.02; done
exit "$(cat "$1/$2.open")"
