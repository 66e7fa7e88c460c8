# SPDX-License-Identifier: GPL-2.0-only
# In the guest: root overwrites parse(), whose address is the argument, by `return 0`.
parse=$1
shift
. /tmp/ask.sh

ask '\5\11'
pid=$(pidof eir)
printf '\061\300\303' | dd of=/proc/$pid/mem bs=1 seek=$((0x$parse)) conv=notrunc
ask '\5\11'
