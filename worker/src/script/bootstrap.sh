# What a bash step has before its own first line: the variables, and the functions that scripts know from Octopus.
# Sourced files: variables.sh fills octopus_parameters (name to value) and __longshore_names (lower-case name to name).

declare -A octopus_parameters=() __longshore_names=()
source "$1"
__longshore_step=$3
BASH_ARGV0=$2

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

encode_servicemessagevalue() {
  local LC_ALL=C text=$1 digits=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
  # The external program is faster for long values, and always there; without it, four digits for three bytes.
  if ((${#text} > 256)) && command -v base64 >/dev/null 2>&1; then
    printf '%s' "$text" | command base64 | { local line all=; while IFS= read -r line; do all+=$line; done; printf '%s' "$all"; }
    return
  fi
  local encoded= i a b c triple
  for ((i = 0; i < ${#text}; i += 3)); do
    printf -v a %d "'${text:i:1}"
    b=0 c=0
    ((i + 1 < ${#text})) && printf -v b %d "'${text:i+1:1}"
    ((i + 2 < ${#text})) && printf -v c %d "'${text:i+2:1}"
    ((triple = (a & 255) << 16 | (b & 255) << 8 | c & 255))
    encoded+=${digits:triple>>18:1}${digits:triple>>12&63:1}${digits:triple>>6&63:1}${digits:triple&63:1}
  done
  case $((${#text} % 3)) in
    1) encoded=${encoded%??}== ;;
    2) encoded=${encoded%?}= ;;
  esac
  printf '%s' "$encoded"
}

decode_servicemessagevalue() {
  printf '%s' "$1" | command base64 -d
}

get_octopusvariable() {
  local name=${1-}
  [[ $name ]] || return 0
  if [[ ! ${octopus_parameters[$name]+set} ]]; then
    name=${__longshore_names[${name,,}]-}
    [[ $name ]] || return 0
  fi
  printf '%s\n' "${octopus_parameters[$name]}"
}

set_octopusvariable() {
  local name=${1-} value=${2-} sensitive= message
  [[ ${3-} == -sensitive ]] && sensitive=" sensitive='VHJ1ZQ=='"
  message="##octopus[setVariable name='$(encode_servicemessagevalue "$name")' value='$(encode_servicemessagevalue "$value")'$sensitive]"
  __longshore_send "$message"
  local known
  for known in "$name" "Octopus.Action[$__longshore_step].Output.$name"; do
    [[ $known ]] || continue
    local existing=${__longshore_names[${known,,}]-}
    octopus_parameters[${existing:-$known}]=$value
    __longshore_names[${known,,}]=${existing:-$known}
  done
}

fail_step() {
  __longshore_send "##octopus[resultMessage message='$(encode_servicemessagevalue "${1-}")']"
  [[ ${1-} ]] && printf '%s\n' "$1" >&2
  exit 1
}

write_verbose() { __longshore_write verbose "$@"; }
write_highlight() { __longshore_write highlight "$@"; }
write_wait() { __longshore_write wait "$@"; }
write_warning() { __longshore_write warning "$@"; }

update_progress() {
  __longshore_send "##octopus[progress percentage='$(encode_servicemessagevalue "${1-0}")' message='$(encode_servicemessagevalue "${2-}")']"
}

__longshore_script=$2
set --
source "$__longshore_script"
