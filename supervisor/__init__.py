"""An init for containers that keeps the configuration of its command up to date.

The rooms, in reading order:

    __main__   takes the signals before anything else, then hands over to entry
    entry      what was asked for: a run, a side command or a text
    main       builds and wires everything: the order of starting and of leaving
    cli        command line and environment → settings
    model      the values that travel between the rooms
    pid1       main thread: forward signals, reap, leave with the command's code
    sync       sync thread: bring what is wanted now to the app, newest first
    transaction  one revision: stage → check → publish → deliver → confirm, or back; trial: how far it is; ledger: the folder
    app        how the app is checked (hook), told (reload/) and asked (confirm); profiles: the apps we know
    source/    what is wanted: objects of a cluster, local manifests
    reload/    how the app is told: a signal, an HTTP request, a command, a restart
    report/    what happened: a log line per revision, a cell of the notice board, Events; probes, metrics and page read it
    status     the notice board
    commands/  doctor, check, rbac, status

and one door to each outside thing: inbox (signals), processes (fork, kill, wait), tree (the configroot), cluster (the
Kubernetes API), notify (inotify), peers (other processes), request (HTTP servers),
logs (standard error).
"""

__version__ = "0.1.0"
