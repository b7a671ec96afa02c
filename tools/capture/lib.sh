# shellcheck shell=bash
# The words in which scenes.sh is written: hosts, wires, recordings. Sourced by tools/capture/guest.
#
# A host is a network namespace. Hosts of a scene are a and b (the ends), r or m (between them). Host number n has
# addresses 192.0.2.n, 2001:db8::n and MACs 02:00:00:00:0n:xx, so that captures read the same each time.

# Set by the guest.
: "${out:?}" "${root:?}"

readonly kCommandSeconds=60
offloads=off

# on HOST COMMAND...: runs it on the host, never longer than a minute.
on() {
  local host=$1
  shift
  timeout "$kCommandSeconds" ip netns exec "$host" "$@"
}

# serve HOST COMMAND...: starts a daemon on the host; it is killed at the end of the scene.
serve() {
  ip netns exec "$@" </dev/null &
  sleep 0.5
}

# listening HOST PORT: waits until something on the host listens to the TCP port.
listening() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    if [[ -n $(ip netns exec "$1" ss -Hltn "sport = :$2") ]]; then return; fi
    sleep 0.1
  done
  echo "nothing listens to port $2 on $1" >&2
  return 1
}

# hosts HOST...: makes them. IPv6 is off unless `family=6` is set before, so that IPv4 scenes are free of its chatter.
hosts() {
  local host
  for host in "$@"; do
    ip netns add "$host"
    ip -n "$host" link set lo up
    if [[ ${family:-4} == 4 ]]; then on "$host" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; fi
  done
}

# wire HOST:INTERFACE:MAC_END HOST:INTERFACE:MAC_END: joins two hosts. Interfaces come up without addresses.
# Offloads are off unless `offloads=on` is set before: then checksums are left to the device and frames exceed the MTU.
wire() {
  local end host interface mac names=()
  for end in "$@"; do
    IFS=: read -r host interface mac <<<"$end"
    names+=("$host" "$interface" "02:00:00:00:${mac:0:2}:${mac:2:2}")
  done
  ip link add "${names[1]}" netns "${names[0]}" address "${names[2]}" type veth \
    peer name "${names[4]}" netns "${names[3]}" address "${names[5]}"
  for end in "$@"; do
    IFS=: read -r host interface mac <<<"$end"
    if [[ $offloads == off ]]; then
      on "$host" ethtool -K "$interface" tx off tso off gso off gro off sg off rxvlan off txvlan off >/dev/null 2>&1 || true
    fi
    ip -n "$host" link set "$interface" up
  done
}

# pair: the hosts a and b on one wire, 192.0.2.1 and 192.0.2.2.
pair() {
  hosts a b
  wire a:eth0:0100 b:eth0:0200
  address a eth0 192.0.2.1/24
  address b eth0 192.0.2.2/24
}

# pair6: the same with 2001:db8::1 and 2001:db8::2 only.
pair6() {
  family=6
  hosts a b
  wire a:eth0:0100 b:eth0:0200
  address a eth0 2001:db8::1/64
  address b eth0 2001:db8::2/64
  settle6 a b
}

# bridged: a and b as in pair, with the bridge m between them, where `netem` works: what it does is seen by one end only.
bridged() {
  hosts a b m
  wire a:eth0:0100 m:port1:0301
  wire b:eth0:0200 m:port2:0302
  ip -n m link add bridge address 02:00:00:00:03:00 type bridge
  ip -n m link set port1 master bridge
  ip -n m link set port2 master bridge
  ip -n m link set bridge up
  address a eth0 192.0.2.1/24
  address b eth0 192.0.2.2/24
  on a ping -q -c 1 192.0.2.2 >/dev/null
}

# impair PORT RULE...: netem on what leaves the bridge m by port1 (to a) or port2 (to b).
impair() {
  local port=$1
  shift
  on m tc qdisc add dev "$port" root netem limit 1000 "$@"
}

# routed: a (192.0.2.1) and b (198.51.100.2) with the router r between them, 192.0.2.254 and 198.51.100.254.
routed() {
  hosts a r b
  wire a:eth0:0100 r:eth0:0300
  wire b:eth0:0200 r:eth1:0301
  address a eth0 192.0.2.1/24
  address r eth0 192.0.2.254/24
  address r eth1 198.51.100.254/24
  address b eth0 198.51.100.2/24
  ip -n a route add default via 192.0.2.254
  ip -n b route add default via 198.51.100.254
  on r sysctl -qw net.ipv4.ip_forward=1
}

# routed6: the same for IPv6, 2001:db8:1::/64 and 2001:db8:2::/64.
routed6() {
  family=6
  hosts a r b
  on r sysctl -qw net.ipv6.conf.all.forwarding=1
  wire a:eth0:0100 r:eth0:0300
  wire b:eth0:0200 r:eth1:0301
  address a eth0 2001:db8:1::1/64
  address r eth0 2001:db8:1::fe/64
  address r eth1 2001:db8:2::fe/64
  address b eth0 2001:db8:2::2/64
  ip -n a route add default via 2001:db8:1::fe
  ip -n b route add default via 2001:db8:2::fe
  settle6 a r b
}

# address HOST INTERFACE ADDRESS/LENGTH
address() {
  local broadcast=()
  if [[ $3 != *:* ]]; then broadcast=(broadcast +); fi
  ip -n "$1" address add "$3" "${broadcast[@]}" dev "$2"
}

# settle6 HOST...: waits until duplicate address detection and the first multicast reports are over.
settle6() {
  local host
  for host in "$@"; do
    while [[ -n $(ip -n "$host" -6 address show tentative) ]]; do sleep 0.2; done
  done
  sleep 2
}

# record HOST INTERFACE FILE [TCPDUMP OPTION...]: records until the end of the scene into FILE:
#   NAME.pcapng          nanoseconds, written as pcapng afterwards
#   NAME.pcap            nanoseconds
#   NAME.<k>.part.pcap   nanoseconds, the k-th interface of NAME.pcapng
# It is written below /run first: tcpdump wants to own its file, and out's belong to whoever started the kernel.
recorders=()
record() {
  local host=$1 interface=$2 file=$3 raw tries
  shift 3
  raw=${file/%.pcapng/.ng.pcap}
  ip netns exec "$host" tcpdump -Z root -n -i "$interface" -s 0 -U --immediate-mode --time-stamp-precision=nano "$@" \
    -w "/run/$raw" 2>"/run/$raw.err" &
  recorders+=($!)
  for ((tries = 0; tries < 100; tries++)); do
    if grep -q '^tcpdump: listening' "/run/$raw.err"; then break; fi
    sleep 0.05
  done
  case $file in
    *.1.part.pcap) origin "${file%.1.part.pcap}.pcapng" "$host, two interfaces" ;;
    *.part.pcap) ;;
    *) origin "$file" "$host $interface${*:+ $*}" ;;
  esac
}

# convert: makes captures/ of all that was recorded.
convert() {
  local raw name
  mkdir -p "$out/captures"
  for raw in /run/*.pcap; do
    name=${raw##*/}
    case $name in
      # -I none: one interface each, although they are alike.
      *.1.part.pcap) mergecap -I none -F pcapng -w "$out/captures/${name%.1.part.pcap}.pcapng" "${raw%.1.part.pcap}".*.part.pcap ;;
      *.part.pcap) ;;
      *.ng.pcap) editcap -F pcapng "$raw" "$out/captures/${name%.ng.pcap}.pcapng" ;;
      *) cp "$raw" "$out/captures/$name" ;;
    esac || return
  done
}

# shows TEXT; ends TEXT; traffic TEXT: what goes into ORIGIN.tsv, set at the start of a scene.
ends="a 192.0.2.1, b 192.0.2.2" traffic="" shows=""

# origin FILE WHERE: its row, without the number of frames.
origin() {
  printf '%s\tLinux %s\t%s\t%s\t%s\t%s\n' "$1" "$(uname -r)" "$2" "$ends" "$traffic" "$shows" >>"$out/origin.tsv"
}

# stop_recording: waits until the last frames are in the files, then stops tcpdump.
stop_recording() {
  local pid
  sleep 1
  for pid in "${recorders[@]}"; do
    kill -INT "$pid" && continue
    cat /run/*.err
    return 1
  done
  for pid in "${recorders[@]}"; do wait "$pid" || true; done
  recorders=()
}

# play SCENE: a scene in a process of its own, so that `set -e` holds in it; what it started and made is gone afterwards.
play() {
  local status=0 host
  # shellcheck disable=SC2016  # expanded in there
  out=$out root=$root timeout 120 bash -euc '
    . "$root/tools/capture/lib.sh"
    . "$root/tools/capture/scenes.sh"
    "scene_${1//-/_}"
    stop_recording' play "$1" || status=$?
  for host in $(ip netns list | cut -d " " -f 1); do
    ip netns pids "$host" | xargs -r kill -KILL
    ip netns delete "$host"
  done
  return "$status"
}
