# What a bash step has before its own first line: the variables, and the functions that scripts know from Octopus.
# $1 the variables: their count, then lower-case name and value of each, sorted; then, for scripts that mention
# octopus_parameters, the names as they were written. $2 the script, $3 the name of the step, $4 strict or lenient.

declare -A octopus_parameters=() __longshore_names=() __longshore_set=()
mapfile -d '' -t __longshore_words <"$1"
__longshore_step=$3 __longshore_strict=$4
BASH_ARGV0=$2

# An array of its own, since bash goes through one from where it was last.
__longshore_written=("${__longshore_words[@]:2 * __longshore_words[0] + 1}")
for ((__longshore_at = 0; __longshore_at < ${#__longshore_written[@]}; __longshore_at++)); do
  __longshore_names[${__longshore_words[2 * __longshore_at + 1]}]=${__longshore_written[__longshore_at]}
  octopus_parameters[${__longshore_written[__longshore_at]}]=${__longshore_words[2 * __longshore_at + 2]}
done

# One message to the shim, on the side channel; on standard output where a script closed that.
__longshore_send() {
  { printf '%s\n' "$1" >&199; } 2>/dev/null || printf '%s\n' "$1"
}

# Lines at another level. One printf, so that lines of background jobs do not come between.
__longshore_write() {
  local level=$1 IFS=' '
  shift
  printf '##octopus[stdout-%s]\n%s\n##octopus[stdout-default]\n' "$level" "$*"
}

# What has a meaning in Octopus and none here does no harm, and says so.
__longshore_foreign() {
  __longshore_write warning "$1 has no meaning in Longshore and was left out."
}

encode_servicemessagevalue() {
  local LC_ALL=C text=${1-} digits=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
  # The external program is faster for long values, and always there; without it, four digits for three bytes.
  if ((${#text} > 256)) && command -v base64 >/dev/null 2>&1; then
    printf '%s' "$text" | command base64 | { local line all=; while IFS= read -r line; do all+=$line; done; printf '%s' "$all"; }
    return
  fi
  local encoded= i a b c triple
  for ((i = 0; i < ${#text}; i += 3)); do
    printf -v a %d "'${text:i:1}"
    b=0 c=0
    if ((i + 1 < ${#text})); then printf -v b %d "'${text:i+1:1}"; fi
    if ((i + 2 < ${#text})); then printf -v c %d "'${text:i+2:1}"; fi
    triple=$(((a & 255) << 16 | (b & 255) << 8 | c & 255))
    encoded+=${digits:triple>>18:1}${digits:triple>>12&63:1}${digits:triple>>6&63:1}${digits:triple&63:1}
  done
  case $((${#text} % 3)) in
    1) encoded=${encoded%??}== ;;
    2) encoded=${encoded%?}= ;;
  esac
  printf '%s' "$encoded"
}

decode_servicemessagevalue() {
  printf '%s' "${1-}" | command base64 -d
}

get_octopusvariable() {
  local key=${1-}
  key=${key,,}
  if [[ ! $key ]]; then return 0; fi
  if [[ ${__longshore_set[$key]+set} ]]; then
    printf '%s\n' "${__longshore_set[$key]}"
    return 0
  fi
  # By halves; bytes are compared, as they were sorted.
  local LC_ALL=C low=0 high=${__longshore_words[0]} middle
  while ((low < high)); do
    middle=$(((low + high) / 2))
    if [[ ${__longshore_words[2 * middle + 1]} < $key ]]; then low=$((middle + 1)); else high=$middle; fi
  done
  if ((low < __longshore_words[0])) && [[ ${__longshore_words[2 * low + 1]} == "$key" ]]; then
    printf '%s\n' "${__longshore_words[2 * low + 2]}"
  fi
}

set_octopusvariable() {
  local name=${1-} value=${2-} sensitive= known
  if [[ ${3-} == -sensitive ]]; then sensitive=" sensitive='VHJ1ZQ=='"; fi
  __longshore_send "##octopus[setVariable name='$(encode_servicemessagevalue "$name")' value='$(encode_servicemessagevalue "$value")'$sensitive]"
  for known in "$name" "Octopus.Action[$__longshore_step].Output.$name"; do
    if [[ ! $known ]]; then continue; fi
    __longshore_set[${known,,}]=$value
    # The array keeps the name it has, in whatever case this one is written.
    if [[ ! ${__longshore_names[${known,,}]+set} ]]; then __longshore_names[${known,,}]=$known; fi
    octopus_parameters[${__longshore_names[${known,,}]}]=$value
  done
}

fail_step() {
  __longshore_send "##octopus[resultMessage message='$(encode_servicemessagevalue "${1-}")']"
  if [[ ${1-} ]]; then printf '%s\n' "$1" >&2; fi
  exit 1
}

write_verbose() { __longshore_write verbose "$@"; }
write_highlight() { __longshore_write highlight "$@"; }
write_wait() { __longshore_write wait "$@"; }
write_warning() { __longshore_write warning "$@"; }
echo_warning() { __longshore_write warning "$@"; }
echo_error() { __longshore_write error "$@"; }
fail_healthcheck() { fail_step "$@"; }

update_progress() {
  __longshore_send "##octopus[progress percentage='$(encode_servicemessagevalue "${1-0}")' message='$(encode_servicemessagevalue "${2-}")']"
}

# Taken when the script has ended.
new_octopusartifact() {
  local path=${1-} name=
  if [[ ! $path ]]; then
    printf 'new_octopusartifact needs the path of a file.\n' >&2
    return 1
  fi
  if [[ $path != /* ]]; then path=$PWD/$path; fi
  if [[ ${2-} ]]; then name=" name='$(encode_servicemessagevalue "$2")'"; fi
  __longshore_send "##octopus[createArtifact path='$(encode_servicemessagevalue "$path")'$name]"
}

set_environmentstate() { __longshore_foreign set_environmentstate; }
set_environmenturl() { __longshore_foreign set_environmenturl; }
new_octopustarget() { __longshore_foreign new_octopustarget; }
remove-octopustarget() { __longshore_foreign remove-octopustarget; }
report_kubernetes_manifest() { __longshore_foreign report_kubernetes_manifest; }
report_kubernetes_manifest_file() { __longshore_foreign report_kubernetes_manifest_file; }

# Which command ended a strict script. The text of a command holds names, and no values.
__longshore_failed() {
  if ((BASH_SUBSHELL == 0)); then
    printf '%s: line %s: this command failed with exit code %s: %s\n' "$2" "$3" "$1" "$4" >&2
  fi
}

__longshore_script=$2
set --
if [[ $__longshore_strict == strict ]]; then
  trap '__longshore_failed "$?" "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"' ERR
  set -Eeuo pipefail
fi
source "$__longshore_script"
