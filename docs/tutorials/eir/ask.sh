# SPDX-License-Identifier: GPL-2.0-only
# In the guest: loads the manager, and asks the driver for each argument.
exec 2>&1
mv /tmp/eir_loader.ko /lib/modules/
insmod /tmp/eir_mgr.ko

ask() {
	exec 3<>/sys/kernel/security/eir
	echo -ne "$1" >&3 && echo "name \"$(cat <&3)\""
}

for request; do
	ask "$request"
done
