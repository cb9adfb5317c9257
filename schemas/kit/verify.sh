#!/bin/sh
# Checks an evidence archive or a kit with nothing but openssl (3.0 or later), sha256sum, base64 and a POSIX shell.
#
#     sh verify.sh trust.json [FOLDER]        FOLDER: a kit, or a copy of an archive; else where this program lies
#
# It believes the trust file alone, and checks: the signature of the newest checkpoint; the root of the log over all
# entries (RFC 6962) and over those that the trust file has `seen`; every entry's statement, its SHA-256, its signature
# by a key of the trust file, its archive; the SHA-256 of everything that a statement names; RFC 3161 tokens where they
# are; that nothing else lies there. It opens no Parquet file and reads no statement in full: at the end it says what it
# has not checked, and the exit status is then 3. 1: something is missing, changed or forged. 2: wrong usage.
set -u
LC_ALL=C
export LC_ALL
[ $# -ge 1 ] && [ -f "$1" ] || { echo "usage: sh verify.sh trust.json [FOLDER]" >&2; exit 2; }
folder=${2:-$(dirname "$0")}
kit=$folder/kit.json
[ -d "$folder/archive" ] && folder=$folder/archive
[ -d "$folder" ] || { echo "$folder: expected a folder, found none" >&2; exit 2; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
failed=0

fail() { failed=$((failed + 1)); printf 'failed  %s\n' "$*"; }
say() { printf '%s\n' "$*" >>"$work/unchecked"; }
digest() { openssl dgst -sha256 -binary; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
sum() { sha256sum <"$1" | cut -c 1-64; }
member() { tr -d '\n\r\t' <"$trust" | grep -o "\"$1\" *: *\"[^\"]*\"" | sed 's/^"[^"]*" *: *"//; s/"$//'; }
stopped() { [ -L "$1" ] || [ ! -f "$1" ]; } # a link is no file of the archive

# The trust file: keys of logs and statements, roots of time-stamping authorities
trust=$1
echo "trust file $trust, SHA-256 $(sum "$trust")"
mkdir "$work/keys" "$work/logs"
member pem | while read -r pem; do
  printf '%b' "$pem" >"$work/key.pem"
  openssl pkey -pubin -in "$work/key.pem" -outform DER -out "$work/key.der" 2>"$work/error" || continue
  cp "$work/key.pem" "$work/keys/$(sum "$work/key.der").pem"
done
member vkey | while read -r vkey; do # origin+mark+public; read would drop a last + of the key, if + parted its fields
  origin=${vkey%%+*}
  public=${vkey#*+}
  mark=${public%%+*}
  public=${public#*+}
  { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; printf %s "$public" | base64 -d | tail -c 32; } >"$work/der"
  printf '%s\n' "$origin" >"$work/logs/$mark.origin"
  openssl pkey -pubin -inform DER -in "$work/der" -out "$work/logs/$mark.pem" 2>"$work/error"
done
tr -d '\n\r' <"$trust" | grep -o -e '-----BEGIN CERTIFICATE-----[^"]*-----END CERTIFICATE-----' | while read -r pem; do
  printf '%b\n' "$pem"
done >"$work/roots.pem"
archive_id=$(member archive_id | head -n 1)
archive=$(member archive | head -n 1)
[ -n "$archive_id" ] && [ -n "$(ls "$work/keys")" ] || { echo "failed  $trust: no archive_id, or no key"; exit 1; }
if tr -d ' \n\r\t' <"$trust" | grep -q -e '"approver"' -e '"valid_from":"' -e '"valid_until":"' -e '"revoked":{'; then
  say "what each key may sign, and until when"
fi
if ! tr -d ' \n\r\t' <"$trust" | grep -q '"witnesses":\[\]'; then say "cosignatures of witnesses"; fi
if grep -q '"post_quantum"' "$trust"; then say "the post-quantum signature of the log's head"; fi
if ! tr -d ' \n\r\t' <"$trust" | grep -q '"required":0'; then say "whether every statement has as many tokens as demanded"; fi

# The newest checkpoint that is good: three lines, an empty one, one signature
good_checkpoint() { # size in 12 digits
  checkpoint=$folder/log/checkpoints/$1
  size=$(sed -n 2p "$checkpoint" 2>"$work/error")
  case $size in '' | 0* | *[!0-9]*) return 1 ;; esac
  head -n 3 "$checkpoint" >"$work/text"
  sed -n '5s/^[^ ]* [^ ]* //p' "$checkpoint" | base64 -d >"$work/signed" 2>"$work/error"
  mark=$(head -c 4 "$work/signed" | hex)
  tail -c +5 "$work/signed" >"$work/signature"
  ! stopped "$checkpoint" && [ "$(printf %012d "$size")" = "$1" ] && [ "$(wc -l <"$checkpoint")" -eq 5 ] &&
    [ -s "$work/logs/$mark.pem" ] && [ "$(sed -n 1p "$checkpoint")" = "$(cat "$work/logs/$mark.origin")" ] &&
    openssl pkeyutl -verify -pubin -inkey "$work/logs/$mark.pem" -rawin -in "$work/text" -sigfile "$work/signature" \
      >"$work/said" 2>&1
}
newest=
for name in $(ls "$folder/log/checkpoints" 2>"$work/error" | grep -x '[0-9]\{12\}' | sort -r); do
  if good_checkpoint "$name"; then newest=$name; break; fi
  echo "$name" >>"$work/bad"
done
if [ -z "$newest" ]; then
  if [ -s "$work/bad" ] || grep -q '"seen" *: *{' "$trust"; then
    echo "failed  there is no checkpoint that a log key of the trust file signed"
    exit 1
  fi
  echo "unknown there is no checkpoint here"
  exit 3
fi
root=$(sed -n 3p "$checkpoint")
if [ -s "$work/bad" ]; then
  next=$(printf %012d $((size + 1)))
  if grep -q -x "$next" "$work/bad" && [ -f "$folder/log/entries/$newest" ]; then
    fail "log/checkpoints/$next: not signed by a log key of the trust file"
  fi
  say "checkpoints that no log key of the trust file signed, on sizes that the log has not come to"
fi

# The root over the first n leaves: hash pairs, level by level; an odd one goes up as it is
root_of() {
  head -c $(($1 * 32)) "$work/leaves" >"$work/level"
  count=$1
  while [ "$count" -gt 1 ]; do
    : >"$work/above"
    pair=0
    while [ $((2 * pair + 1)) -lt "$count" ]; do
      { printf '\001'; dd if="$work/level" bs=64 skip="$pair" count=1 2>"$work/error"; } | digest >>"$work/above"
      pair=$((pair + 1))
    done
    [ $((count % 2)) -eq 0 ] || tail -c 32 "$work/level" >>"$work/above"
    count=$(((count + 1) / 2))
    mv "$work/above" "$work/level"
  done
  cat "$work/level"
}

# Entries, and the statement of each
verify_statement() { # key, sha256
  statement=$folder/$1
  kind=$(echo "$1" | cut -d / -f 2)
  name=$(basename "$1" .json)
  if stopped "$statement"; then fail "$1: missing"; return; fi
  if [ "$(sum "$statement")" != "$2" ]; then fail "$1: not the one in the log"; return; fi
  form='^{"payload":"\([A-Za-z0-9+/=]*\)","payloadType":"application/vnd.in-toto+json","signatures":\[{"keyid":"\([0-9a-f]\{64\}\)","sig":"\([A-Za-z0-9+/=]*\)"}\]}$'
  keyid=$(sed -n "s|$form|\\2|p" "$statement")
  if [ -z "$keyid" ]; then fail "$1: no envelope with one signature"; return; fi
  sed -n "s|$form|\\1|p" "$statement" | base64 -d >"$work/payload" 2>"$work/error"
  sed -n "s|$form|\\3|p" "$statement" | base64 -d >"$work/signature" 2>"$work/error"
  { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c <"$work/payload")"; cat "$work/payload"; } >"$work/pae"
  public=$work/keys/$keyid.pem
  if [ ! -f "$public" ]; then fail "$1: signed by $keyid, which is not in the trust file"; return; fi
  if openssl pkey -pubin -in "$public" -noout -text | grep -q -i ed25519; then
    openssl pkeyutl -verify -pubin -inkey "$public" -rawin -in "$work/pae" -sigfile "$work/signature" >"$work/said" 2>&1
  else
    openssl dgst -sha256 -verify "$public" -signature "$work/signature" "$work/pae" >"$work/said" 2>&1
  fi || { fail "$1: its signature is not good"; return; }
  grep -q -F "\"archive\":\"$archive\",\"archive_id\":\"$archive_id\",\"at\":" "$work/payload" || fail "$1: of another archive"
  grep -q -F "\"predicateType\":\"urn:archiver:$kind:v1\"" "$work/payload" || fail "$1: of another kind"
  grep -q -F "\"id\":\"$name\"" "$work/payload" || fail "$1: with another id"
  # Members are in order, so the subjects come last; a quote inside a text is \" and never matches
  sed 's/.*"subject":\[//' "$work/payload" | awk '{ gsub(/},{"digest"/, "}\n{\"digest\""); print }' |
    sed -n 's/^{"digest":{"sha256":"\([0-9a-f]\{64\}\)"},"name":"\([A-Za-z0-9._/=:-]*\)"}.*/\1 \2/p' |
    while read -r sha256 subject; do echo "$kind $sha256 $subject"; done >"$work/named"
  cat "$work/named" >>"$work/subjects"
  count=$(sed 's/.*"subject":\[//' "$work/payload" | grep -o '{"digest":{' | wc -l)
  [ "$count" -eq "$(wc -l <"$work/named")" ] || say "$1: a subject with a name of other characters"
}

: >"$work/leaves"
: >"$work/subjects"
: >"$work/keys.seen"
index=0
while [ "$index" -lt "$size" ]; do
  entry=log/entries/$(printf %012d "$index")
  if stopped "$folder/$entry"; then
    fail "$entry: missing"
    break
  fi
  { printf '\000'; cat "$folder/$entry"; } | digest >>"$work/leaves"
  form='^{"key":"\(statements/[a-z0-9-]*/[A-Za-z0-9._-]*\.json\)","sha256":"\([0-9a-f]\{64\}\)"}$'
  words=$(sed -n "s|$form|\\1 \\2|p" "$folder/$entry")
  if [ -z "$words" ]; then fail "$entry: no entry"; else
    echo "${words% *}" >>"$work/keys.seen"
    verify_statement "${words% *}" "${words#* }"
  fi
  index=$((index + 1))
done
if [ "$index" -eq "$size" ] && [ "$size" -gt 0 ]; then
  [ "$(root_of "$size" | base64)" = "$root" ] || fail "log/checkpoints/$newest: the entries have another root"
  tr -d ' \n\r\t' <"$trust" | grep -o '"seen":{[^}]*}' >"$work/seen"
  while read -r seen; do
    before=$(echo "$seen" | sed 's/.*"size":\([0-9]*\).*/\1/')
    was=$(echo "$seen" | sed 's/.*"root":"\([0-9a-f]*\)".*/\1/')
    if [ "$before" -gt "$size" ]; then fail "the log has $size entries, $before were seen before"
    elif [ "$(root_of "$before" | hex)" != "$was" ]; then fail "the first $before entries are not those that were seen"; fi
  done <"$work/seen"
fi
sort "$work/keys.seen" | uniq -d | while read -r key; do echo "$key"; done >"$work/twice"
while read -r key; do fail "$key: in the log twice"; done <"$work/twice"

# What statements name
absent=0
sort -u "$work/subjects" >"$work/stated"
while read -r kind sha256 subject; do
  case $subject in */../* | ../* | /* | key:*) continue ;; esac
  if stopped "$folder/$subject"; then
    if [ "$kind" = batch ] && grep -q '"batches":\[' "$kit" 2>"$work/error" && ! grep -q -F "$(basename "$subject" .parquet)" "$kit"; then
      absent=$((absent + 1))
    elif [ "${subject%%/*}" = derived ] && grep -q '"batches":\[' "$kit" 2>"$work/error"; then
      say "$subject: not in this kit, as its batch may be"
    elif [ "$kind" != incident ]; then
      fail "$subject: missing"
    fi
  elif [ "$kind" != incident ] && [ "$(sum "$folder/$subject")" != "$sha256" ]; then
    fail "$subject: SHA-256 is not $sha256"
  fi
done <"$work/stated"
[ "$absent" -eq 0 ] || say "not in this kit: $absent batches"

# Time-stamp tokens, at their own time: over the checkpoint of their size, for the request that is kept, by a root of the
# trust file. Only those that a statement names: anybody can put others there
epoch() { # as openssl spells it: Nov 23 12:00:00.5 2026 GMT
  echo "$1" | awk '{
    month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3
    split($3, clock, ":")
    year = month < 3 ? $4 - 1 : $4
    days = 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * ((month + 9) % 12) + 2) / 5) + $2
    printf "%.0f", (days - 719469) * 86400 + clock[1] * 3600 + clock[2] * 60 + int(clock[3])
  }'
}
sed -n 's/^timestamp [0-9a-f]* \(timestamps\/.*\.tsr\)$/\1/p' "$work/stated" >"$work/tokens"
while read -r name; do
  token=$folder/$name
  number=$(echo "$name" | cut -d / -f 2)
  if stopped "$token"; then continue; fi
  if [ ! -s "$work/roots.pem" ]; then say "$name: the trust file names no authority"; continue; fi
  time=$(openssl ts -reply -in "$token" -text 2>"$work/error" | sed -n 's/^Time stamp: //p')
  if [ -z "$time" ]; then fail "$name: no time-stamp token"; continue; fi
  at=$(epoch "$time")
  if openssl ts -verify -in "$token" -data "$folder/log/checkpoints/$number" -CAfile "$work/roots.pem" -attime "$at" \
    >"$work/said" 2>&1 &&
    openssl ts -verify -in "$token" -queryfile "$folder/${name%.tsr}.tsq" -CAfile "$work/roots.pem" -attime "$at" \
      >"$work/said" 2>&1; then
    echo "stamped $time over $(echo "$number" | sed 's/^0*//') entries"
  elif grep -q -i -e "unable to get" -e "self.signed" "$work/said"; then
    say "$name: by an authority that is not in the trust file"
  else
    fail "$name: no good token over that checkpoint"
  fi
done <"$work/tokens"

# Everything else is a stranger
{
  echo README.txt
  cat "$work/keys.seen"
  cut -d ' ' -f 3 "$work/stated"
  seq -f 'log/entries/%012.0f' 0 $((size - 1))
  seq -f 'log/checkpoints/%012.0f' 1 "$size"
} | sort -u >"$work/known"
(cd "$folder" && find . ! -type d | sed 's|^\./||') | grep -v -e '^\.' -e '^log/tile/' -e '^log/cosignatures/' | sort >"$work/there"
comm -13 "$work/known" "$work/there" | while read -r key; do say "a stranger: $key"; done

say "the records: rows, roots and items of the batches"
say "the members of statements: order, numbers, counts, holds; the low s of ECDSA signatures"
say "checkpoints before the newest, tiles"
say "locks: ask the store"
echo "log     $(sed -n 1p "$checkpoint"), $size entries, root $root"
echo "checked $index statements, $(wc -l <"$work/stated" | tr -d ' ') digests"
echo "not checked:"
sed 's/^/  /' "$work/unchecked"
if [ "$failed" -gt 0 ]; then
  echo "FAILED: $failed things are wrong"
  exit 1
fi
echo "nothing was found wrong; exit status 3, as not everything was checked"
exit 3
