# SPDX-License-Identifier: Apache-2.0
# client.py by curl: curl.sh URL, in a directory with a file mib.
tell() {
	echo "$1 $(wc -c <"$2") $(md5sum <"$2" | cut -d' ' -f1)"
}
: >none
set -- "$1" '%{http_code}\n'
curl -sS -w "$2" -o page "$1/page" -o again "$1/page" >statuses
curl -sS -w "$2" -I -o head "$1/page" >>statuses
curl -sS -w "$2" -o big "$1/big" -o stream "$1/stream" -o nothing "$1/nothing" >>statuses
curl -sS -w "$2" -H 'Expect: 100-continue' --data-binary @mib -o sum "$1/sum" >>statuses
curl -sS -w "$2" -H 'Transfer-Encoding: chunked' --data-binary @mib -o chunks "$1/sum" >>statuses
set -- $(cat statuses)
tell "$1" page; tell "$2" again; tell "$3" none
tell "$4" big; tell "$5" stream; tell "$6" nothing; tell "$7" sum; tell "$8" chunks
