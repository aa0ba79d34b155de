# SPDX-License-Identifier: Apache-2.0
# Completion of interspan(1) for bash.  The options come from the program itself, so that they are
# those of the one that is installed.

_interspan_words()
{
	local words
	words=$("$1" ${2:+"$2"} --help 2>/dev/null)
	if [ -n "$2" ]; then
		grep -oE -- '--[a-z][a-z-]*' <<<"$words" | sort -u
	else
		sed -nE 's/^  ([a-z]+) +.*/\1/p' <<<"$words"
		printf '%s\n' --help --version
	fi
}

_interspan()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_interspan_words "${COMP_WORDS[0]}" "")" -- "$cur")
		return
	fi
	if [ "$command" = run ]; then
		# Behind its own options it is the program's turn.
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--) i=$((i + 1)); break ;;
			--service | --endpoint | --sample | --log) i=$((i + 1)) ;;
			-*) ;;
			*) break ;;
			esac
		done
		if [ "$i" -lt "$COMP_CWORD" ]; then
			compopt -o default 2>/dev/null
			return
		fi
		if [ "$i" -eq "$COMP_CWORD" ] && [ "${cur#-}" = "$cur" ]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			return
		fi
	fi
	case $prev in
	--file | --compare | --log)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	--service | --endpoint | --sample | --port | --grace | --trace | --min-duration | --attr | --since)
		return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$(_interspan_words "${COMP_WORDS[0]}" "$command")" -- "$cur")
}

complete -F _interspan interspan
