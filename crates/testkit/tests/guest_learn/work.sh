# What an ordinary machine does: each line says how it went.
work() {
    name=$1; shift
    if "$@" >/tmp/out 2>&1; then echo "WORK $name ok"; else echo "WORK $name failed: $(tr '\n' ' ' </tmp/out)"; fi
}
vfat() {
    mknod /dev/loop-control c 10 237; mknod /dev/loop0 b 7 0
    losetup /dev/loop0 /disk && mount -t vfat /dev/loop0 /mnt && cat '/mnt/A long name.txt'
}
overlay() {
    mkdir -p /layers && mount -t tmpfs none /layers && mkdir /layers/low /layers/up /layers/work /layers/all &&
        echo below >/layers/low/file &&
        mount -t overlay overlay -o lowerdir=/layers/low,upperdir=/layers/up,workdir=/layers/work /layers/all &&
        [ "$(cat /layers/all/file)" = below ]
}
mapper() {
    mkdir -p /dev/mapper; mknod /dev/mapper/control c 10 236
    workload dm
}
work devices kerneld coldplug
work vfat vfat
work overlay overlay
work mapper mapper
# A container of a user: a user namespace with a network of its own.
work container as 1000 unshare -U -r -n sh /network.sh
