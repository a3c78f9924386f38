#!/bin/sh
# Makes a fresh checkout ready for `npm test` and `npm run try`: the npm packages (with the Node 24 among them) and the
# Debian packages that the end-to-end tests need. Installs only what is missing; with all of it present it does nothing.
set -eu
cd "$(dirname "$0")/../.."

fail() {
  printf 'prepare: %s\n' "$*" >&2
  exit 1
}
say() { printf 'prepare: %s\n' "$*"; }

# Under `npm run` node_modules/.bin comes first in PATH. npm itself must run on the system's Node while that folder changes.
bin=$PWD/node_modules/.bin
clean_path=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/' | grep -v '/node-gyp-bin$' | paste -sd: -)
PATH=$clean_path:/usr/sbin:/sbin
export PATH

# --- npm packages -----------------------------------------------------------------------------------------------------
if [ ! -f node_modules/.package-lock.json ] ||
  [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
  command -v npm >/dev/null || fail 'npm is missing. Install Node 20 or later with npm.'
  say 'installing the npm packages of package-lock.json (npm ci)'
  npm ci --no-audit --no-fund --loglevel=error || fail 'npm ci failed, see its message above.'
fi

node_version() { "$bin/node" --version 2>/dev/null || echo none; }
case $(node_version) in v24.*) ;; *)
  say "node_modules/.bin/node is not Node 24 ($(node_version)): its install script seems to have been blocked; running it now"
  npm rebuild node --ignore-scripts=false --foreground-scripts --loglevel=error || true
  ;;
esac
case $(node_version) in v24.*) ;; *)
  fail "node_modules/.bin/node is still not Node 24. The npm package 'node' fetches it in its install script, and npm was
  not allowed to run that script. Allow it (npm config set ignore-scripts false; npm 11: npm approve-scripts node),
  remove node_modules and run this again; or put a Node 24 of your own first in PATH and link it:
  ln -sf \"\$(command -v node)\" node_modules/.bin/node"
  ;;
esac

# --- programs for the end-to-end tests ----------------------------------------------------------------------------------
has() { command -v "$1" >/dev/null; }
# postconf needs a main.cf to read, and a machine without a configured mail system has none.
has_lmdb() {
  has postconf || return 1
  empty=$(mktemp -d)
  # Dated back: Postfix's programs wait for a main.cf that was changed just now to settle.
  touch -t 202001010000 "$empty/main.cf"
  found=1
  postconf -c "$empty" -m 2>/dev/null | grep -qx lmdb && found=0
  rm -r "$empty"
  return $found
}
has_file() { for file in "$@"; do [ -e "$file" ] && return 0; done; return 1; }
has_sasl_plain() { has_file /usr/lib/*/sasl2/libplain.so* /usr/lib/sasl2/libplain.so* /usr/lib64/sasl2/libplain.so*; }

packages=''
programs=''
need() { # package, what it gives
  packages="$packages $1"
  programs="$programs${programs:+, }$2"
}
has postfix || need postfix 'postfix (the mail server under test)'
has_lmdb || need postfix-lmdb 'the lmdb map type of Postfix'
has saslpasswd2 || need sasl2-bin 'saslpasswd2 (accounts for authenticated clients)'
has_sasl_plain || need libsasl2-modules 'the Cyrus SASL mechanism PLAIN'
has openssl || need openssl 'openssl (a self-signed certificate)'
# The system's own Python: another one in PATH does not see Debian's packages.
/usr/bin/python3 -c 'import dkim, nacl' 2>/dev/null || need python3-dkim 'dkimpy (verifies signatures, RSA and Ed25519)'
has opendkim || need opendkim 'opendkim (a second, independent verifier)'
has wat2wasm || need wabt 'wat2wasm (checks the bytes of the WebAssembly kernel against its source)'
has nsd || need nsd 'nsd (a DNS server on loopback)'
[ -n "$packages" ] || exit 0

has apt-get && has dpkg || fail "missing: $programs. This system has no apt: install them with its own package manager."
[ "$(id -u)" = 0 ] || fail "missing: $programs. Run this as root, or install them first: sudo apt-get install$packages"
say "installing Debian packages for the end-to-end tests, all on loopback:$packages (missing: $programs; no service is set up or started)"

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
no_start=/usr/sbin/policy-rc.d
made_no_start=''
clean_up() {
  [ -z "$made_no_start" ] || rm -f "$no_start"
  rm -f "$log"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# 101 is "not allowed": invoke-rc.d then starts no service (Debian policy-rc.d specification).
if [ ! -e "$no_start" ]; then
  made_no_start=yes
  printf '#!/bin/sh\nexit 101\n' >"$no_start"
  chmod 755 "$no_start"
fi
if ! has postfix; then
  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
# shellcheck disable=SC2086 # a list of package names
install() { apt-get install -qq -y --no-install-recommends $packages >"$log" 2>&1; }
if ! install; then
  say 'the package lists are missing or old: apt-get update'
  apt-get update -qq || fail 'apt-get update failed, see its message above.'
  if ! install; then
    cat "$log" >&2
    fail "apt-get install$packages failed, see its messages above."
  fi
fi
