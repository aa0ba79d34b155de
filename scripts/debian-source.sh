# SPDX-License-Identifier: Apache-2.0
# To be sourced: the sources of Debian's packages, without a change to the system's configuration.
# $work is the caller's directory for what is needed on the way; $no_source_hint what to do if there is no source.
# shellcheck shell=sh disable=SC2154

say() { echo "${0##*/}: $*" >&2; }

# Runs a step quietly; shows the end of its output when it fails.
step() {
	name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 && return
	say "$name failed, the end of its output:"
	tail -n 40 "$work/$name.log" >&2
	return 1
}

# Source lists of our own, derived from the system's binary ones: its configuration is not touched.
apt_private() {
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	option=
	[ ! -r $keyring ] || option="[signed-by=$keyring] "
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(LABEL)|$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		"Created-By: Packages" "Origin: Debian" |
		sed -n "s!^Debian[^|]*|!deb-src $option!p" | sort -u >"$work/apt/sources.list"
	[ -s "$work/apt/sources.list" ] || {
		say "no Debian package source is known here: run apt-get update first${no_source_hint:-}"
		return 1
	}
	cat >"$work/apt/apt.conf" <<END
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "";
END
}

fetch() {
	(
		rm -rf "${work:?}/$1"
		mkdir -p "$work/$1"
		cd "$work/$1"
		"$2" "source-$1" env APT_CONFIG="$work/apt/apt.conf" apt-get -q source "$1"
	)
}
quietly() {
	shift
	"$@" >/dev/null 2>&1
}

# get PACKAGE: unpacks its source; prints the directory.  A mirror may lack what the security archive
# lists, and the main archive may have the same version.
get() {
	[ -r "$work/apt/apt.conf" ] || {
		apt_private
		step apt-update env APT_CONFIG="$work/apt/apt.conf" apt-get update
	}
	fetch "$1" quietly || {
		sed -i '/-security /d' "$work/apt/sources.list"
		step apt-update env APT_CONFIG="$work/apt/apt.conf" apt-get update
		fetch "$1" step
	}
	set -- "$1" "$work/$1"/*/
	[ -d "$2" ] || { say "apt-get source $1 unpacked nothing"; return 1; }
	echo "${2%/}"
}
