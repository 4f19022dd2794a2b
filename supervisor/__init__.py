"""An init for containers that keeps the configuration of its command up to date.

The rooms, in reading order:

    __main__   takes the signals before anything else, then hands over to main
    main       builds and wires everything: the order of starting and of leaving
    cli        command line and environment → settings
    model      the values that travel between the rooms
    pid1       main thread: forward signals, reap, leave with the command's code
    sync       sync thread: stage what is wanted, publish it in one step, tell the app
    source/    what is wanted: objects of a cluster, local manifests
    reload/    how the app is told: a signal, an HTTP request
    report     what happened, as one log line per revision

and one door to each outside thing: inbox (signals), processes (fork, kill, wait), tree (the configroot), cluster (the
Kubernetes API), notify (inotify), logs (standard error).
"""

__version__ = "0.1.0"
