set -e
ip link add left type veth
ip link add bridge type bridge
ip link set left master bridge
ip link set bridge up
workload nft
