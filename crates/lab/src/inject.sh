#!/bin/bash
# Runs a command under strace: inject.sh MODE WHEN LOG STRACE-ARGUMENT... -- COMMAND...
# with MODE kill or error, or orphan: the first process is killed while another is
# held before its call, and the command in MEANWHILE runs before that one goes on. What
# it finds it says in the last line of standard output: injected: yes|no, exit code N.
mode=$1 when=$2 log=$3; shift 3
traced=()
while [ "$1" != -- ]; do traced+=("$1"); shift; done
shift
rm -f "$log" "$log.fifo"
mkfifo "$log.fifo"
exec 9<> "$log.fifo"
strace -f --seccomp-bpf --quiet=all -o "$log" "${traced[@]}" "$@" 9>&- &
strace=$!
hit=no
# A job that has ended stays in /proc until it is waited for.
ended() {
    local stat
    { read -r stat < "/proc/$strace/stat"; } 2> /dev/null || return 0
    [[ $stat == *') Z '* ]]
}
# Processes below a process, into `below`.
below() {
    local child children=
    { read -r children < "/proc/$1/task/$1/children"; } 2> /dev/null
    for child in $children; do below+=("$child"); below "$child"; done
}
# held PID: is it stopped by its tracer, after the calls that are let pass?
held() {
    local stat line n=0
    { read -r stat < "/proc/$1/stat"; } 2> /dev/null || return 1
    [[ $stat == *') t '* ]] || return 1
    while read -r line; do
        case $line in "$1 "*) n=$((n + 1)) ;; esac
    done < "$log"
    [ "$n" = $((when - 1)) ]
}
if [ "$mode" = kill ] || [ "$mode" = orphan ]; then
    last=
    while [ "$hit" = no ] && ! ended; do
        read -r -t 0.03 -u 9
        below=() now=
        below "$strace"
        for one in "${below[@]}"; do
            held "$one" || continue
            now=$one
            # Seen twice in a row: held, and not on its way through a call.
            [ "$one" = "$last" ] || continue
            if [ "$mode" = orphan ]; then
                # One process does it all: there is nobody to be left behind.
                [ "$one" != "${below[0]}" ] || break 2
                one=${below[0]}
            fi
            kill -9 "$one"
            hit=yes
            if [ "$mode" = orphan ]; then $MEANWHILE; break; fi
            # strace takes notice when the time it holds the call is over. Where nobody is
            # left whose end it shall tell, that need not be waited for.
            if [ "$one" = "${below[0]}" ]; then kill -9 "$strace"; fi
            break
        done
        last=$now
    done
fi
wait "$strace" 2> /dev/null
code=$?
if [ "$hit" = yes ]; then
    while [ -d "/proc/$one" ]; do read -r -t 0.01 -u 9; done
fi
[ "$mode" != error ] || { grep -q INJECTED "$log" && hit=yes; }
echo "injected: $hit, exit code $code"
