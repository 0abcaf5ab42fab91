#!/bin/sh
# A throw-away Ceph object gateway (real S3) for the tests, on loopback.
#
#   dev/rgw.sh install           Debian or Ubuntu: the packages it needs (as root)
#   dev/rgw.sh start [DIR]       one monitor, one OSD in memory, one gateway
#   dev/rgw.sh env [DIR]         prints the AWS_* variables to use it
#   dev/rgw.sh stop [DIR]        ends what start began, by process id, and removes DIR
#
# DIR (default ${TMPDIR:-/tmp}/replayport-rgw) holds everything; nothing is written to
# /etc or /var. RGW_PORT (default 8123) and MON_PORT (default 8124) choose the ports.
# The gateway's first boot makes its pools and may give up while the OSD is still
# settling, so it is started again up to five times; expect about 30 seconds.
set -eu

command=${1:-help}
dir=${2:-${TMPDIR:-/tmp}/replayport-rgw}
rgw_port=${RGW_PORT:-8123}
mon_port=${MON_PORT:-8124}
access_key=replayport
secret_key=replayport-secret
conf=$dir/ceph.conf

install_packages() {
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        radosgw ceph-mon ceph-osd
}

write_conf() {
    # cephx stays on although everything listens on loopback only: with it off,
    # radosgw 16.2 waits forever for keys it does not need.
    cat >"$conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$mon_port]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = $dir/keyring
run dir = $dir/run
admin socket = $dir/run/\$name.\$pid.asok
log file = $dir/log/\$name.log
pid file = $dir/run/\$name.pid
crash dir = $dir/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
rgw rados pool pg num min = 4
[mon]
mon data = $dir/mon
mon data avail crit = 1
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$rgw_port tcp_nodelay=1
rgw dns name =
rgw thread pool size = 32
CONF
}

answers() {
    curl -s -o /dev/null --max-time 3 "http://127.0.0.1:$rgw_port/"
}

fail() {
    echo "$1. Its log:" >&2
    tail -n 5 "$dir/log/client.rgw.log" "$dir/log/radosgw.out" >&2 || true
    exit 1
}

running() {
    [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null
}

start() {
    for program in ceph-mon ceph-osd radosgw radosgw-admin ceph-authtool \
        monmaptool curl; do
        command -v "$program" >/dev/null || {
            echo "$program is not installed. Run: $0 install" >&2
            exit 3
        }
    done
    if [ -e "$dir" ]; then
        echo "$dir is in the way. If it is from an earlier run: $0 stop $dir" >&2
        exit 1
    fi
    mkdir -p "$dir/run" "$dir/log" "$dir/crash" "$dir/mon" "$dir/osd"
    write_conf
    fsid=$(sed -n 's/^fsid = //p' "$conf")

    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' \
        >/dev/null
    for entity in client.admin client.rgw osd.0; do
        ceph-authtool "$dir/keyring" --gen-key -n $entity \
            --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
    done
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" \
        >/dev/null
    ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
    ceph-mon -c "$conf" -i a

    osd_uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph_() { timeout 60 ceph -c "$conf" "$@"; }
    ceph_ osd new "$osd_uuid" >/dev/null
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd_uuid" 2>/dev/null
    ceph-osd -c "$conf" -i 0 >/dev/null

    attempt=0
    waited=0
    until answers; do
        if ! running "$dir/run/rgw.pid"; then
            attempt=$((attempt + 1))
            [ "$attempt" -le 5 ] || fail "radosgw gave up five times"
            nohup radosgw -c "$conf" -n client.rgw -f >"$dir/log/radosgw.out" 2>&1 &
            echo $! >"$dir/run/rgw.pid"
        fi
        sleep 1
        waited=$((waited + 1))
        [ "$waited" -le 180 ] || fail "radosgw does not answer after 180 seconds"
    done
    radosgw-admin -c "$conf" -n client.rgw user create --uid tester --display-name tester \
        --access-key "$access_key" --secret-key "$secret_key" >/dev/null 2>&1
    echo "radosgw answers on http://127.0.0.1:$rgw_port"
}

print_env() {
    cat <<ENV
export AWS_ENDPOINT_URL=http://127.0.0.1:$rgw_port
export AWS_ACCESS_KEY_ID=$access_key
export AWS_SECRET_ACCESS_KEY=$secret_key
export AWS_REGION=us-east-1
ENV
}

stop() {
    for name in rgw osd.0 mon.a; do
        pid_file=$dir/run/$name.pid
        running "$pid_file" || continue
        pid=$(cat "$pid_file")
        kill "$pid" 2>/dev/null || true
        waited=0
        while kill -0 "$pid" 2>/dev/null; do
            sleep 1
            waited=$((waited + 1))
            [ "$waited" -lt 10 ] || kill -9 "$pid" 2>/dev/null || true
        done
    done
    rm -rf "$dir"
}

case $command in
    install) install_packages ;;
    start) start ;;
    env) print_env ;;
    stop) stop ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" ;;
esac
