# SPDX-License-Identifier: Apache-2.0
# client.py by wget, which knows no chunks: wget.sh URL, in a directory with a file mib.  Its answers to
# errors are no bodies.
tell() {
	echo "$1 $(wc -c <"$2") $(md5sum <"$2" | cut -d' ' -f1)"
}
: >none
wget -nv -O pages "$1/page" "$1/page" 2>errors
head -c 5 pages >page && tell 200 page
tail -c 5 pages >page && tell 200 page
wget -q --spider "$1/page" && tell 200 none
wget -q -O big "$1/big" && tell 200 big
wget -q -O stream "$1/stream" && tell 200 stream
wget -q -O nothing "$1/nothing" || tell 404 none
wget -q --post-file=mib -O sum "$1/sum" && tell 200 sum
