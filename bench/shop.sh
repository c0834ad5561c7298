# Sourced by the scripts beside it: builds, serves a shop with many members under the ceiling's eyes, and loads it. Expects
# $seconds, $members, $connections and $out; gives $folder, $results, open_shop, close_shop, warm, load and count_syncs.
folder=$(mktemp -d "${TMPDIR:-/tmp}/jumun-bench-XXXXXX")
key=the-signing-key-of-the-bench-which-is-long-enough
export WRK=$PWD/bench/wrk TOKENS=$folder/tokens DOTNET_gcServer=0 ASPNETCORE_ENVIRONMENT=Production Jumun__Auth__SigningKey=$key
mkdir -p "$out"
results=$out/results
: >"$results"
coupon=1
round=1

. bench/postgres.sh
finish() {
  kill $(jobs -p) 2>/dev/null || true
  wait 2>/dev/null || true
  stop_postgres
  rm -rf "$folder"
}
trap finish EXIT
say() { printf '== %s\n' "$*" >&2; }

for tool in wrk strace curl; do
  command -v $tool >/dev/null || { echo "$tool is not installed: apt-get install $tool" >&2; exit 1; }
done
say "building"
dotnet build -c Release --nologo -v q bench/Jumun.Bench >&2
bench=bench/Jumun.Bench/bin/Release/net10.0/Jumun.Bench.dll
server=src/Jumun.Server/bin/Release/net10.0/Jumun.Server.dll

wait_for() { # PORT LOG
  for _ in $(seq 300); do curl -sf "http://127.0.0.1:$1/health/ready" >/dev/null && return; sleep 0.1; done
  cat "$2" >&2
  exit 1
}

counters() { curl -s http://127.0.0.1:5095/; }

script_of() { case $1 in hot|spread) echo purchase ;; keyed) echo coupon ;; *) echo "$1" ;; esac }

# What the server counted during a load, a request: allocations, commands a batch, milliseconds of the processor and of collections.
differences() { # BEFORE AFTER REQUESTS
  awk -v before="$1" -v after="$2" -v requests="$3" 'BEGIN {
    split(before, list, " "); for (i in list) { split(list[i], pair, "="); b[pair[1]] = pair[2] }
    split(after, list, " "); for (i in list) { split(list[i], pair, "="); a[pair[1]] = pair[2] - b[pair[1]]; now[pair[1]] = pair[2] }
    printf "allocated=%.0f batch=%.1f commits=%d cpu_us=%.1f pause_ms=%d rss=%d", a["allocated"] / requests,
      a["batches"] ? a["commands"] / a["batches"] : 0, a["commits"], a["cpu_ms"] * 1000 / requests, a["pause_ms"], now["rss"] }'
}

load() { # SYSTEM STORE WORK PORT CONNECTIONS SECONDS
  # Each coupon is taken once a member: the loads of a round have coupons of their own.
  local products=1 before= after= line= counted= first=$coupon keyed=0
  [ "$3" = hot ] || products=10000
  case $3 in keyed) first=$((coupon + 10)) keyed=1 ;; mix) first=$((coupon + 30)) ;; ten) first=$((coupon + 32)) ;; esac
  [ "$1" != jumun ] || before=$(counters)
  line=$(PRODUCTS=$products FIRST_COUPON=$first KEYED=$keyed wrk -t$(($5 < 2 ? $5 : 2)) -c"$5" -d"${6}s" --latency -s "bench/wrk/$(script_of "$3").lua" "http://127.0.0.1:$4" | sed -n 's/^RESULT //p')
  if [ -n "$before" ]; then
    after=$(counters)
    counted=$(differences "$before" "$after" "$(echo "$line" | sed 's/requests=\([0-9]*\).*/\1/')")
  fi
  echo "system=$1 store=$2 work=$3 connections=$5 round=$round $line $counted" >>"$results"
  say "$2 $3, $1, $5 connections: $(echo "$line" | sed 's/ latencies=.*//')"
}

warm() { # PORT: the first requests are compiled, the tokens checked and remembered
  wrk -t2 -c"$connections" -d8s -s bench/wrk/read.lua "http://127.0.0.1:$1" >/dev/null
  wrk -t2 -c"$connections" -d12s -s bench/wrk/purchase.lua "http://127.0.0.1:$1" >/dev/null
}

open_shop() { # STORE
  if [ -z "${ceiling_pid:-}" ]; then
    dotnet "$bench" ceiling http://127.0.0.1:5091 "$key" >"$folder/ceiling.log" 2>&1 &
    ceiling_pid=$!
  fi
  case $1 in
    sqlite) database=$folder/jumun.db connection="Data Source=$folder/jumun.db" ;;
    postgres)
      start_postgres
      as_postgres psql -h 127.0.0.1 -p 5094 -U postgres -q -c 'CREATE DATABASE jumun'
      pg="Host=127.0.0.1;Port=5094;Database=jumun;Username=postgres"
      database=$pg connection=$pg ;;
  esac
  say "$1: making $members members"
  dotnet "$bench" prepare "$database" "$members" "$key" "$TOKENS"
  serve "$1"
  coupon=1
}

serve() { # STORE
  Jumun__Store=$1 ConnectionStrings__Jumun=$connection Jumun__DataPlatform__Path=$folder/$1.ndjson ASPNETCORE_URLS=http://127.0.0.1:5092 \
    dotnet "$bench" measured http://127.0.0.1:5095 >"$folder/server.log" 2>&1 &
  server_pid=$!
  wait_for 5092 "$folder/server.log"
}

# Syncs of the disk while purchases are made: the server's own, and on PostgreSQL the log's.
count_syncs() { # STORE
  local before after calls
  before=$(counters)
  if [ "$1" = sqlite ]; then
    strace -f -qq -c -e trace=fsync,fdatasync -o "$folder/syncs" -p "$server_pid" 2>/dev/null &
    local strace_pid=$!
    sleep 0.5
    PRODUCTS=10000 wrk -t2 -c"$connections" -d4s -s bench/wrk/purchase.lua http://127.0.0.1:5092 >/dev/null
    kill -INT $strace_pid
    wait $strace_pid 2>/dev/null || true
    calls=$(awk '$NF == "fdatasync" || $NF == "fsync" {sum += $4} END {print sum + 0}' "$folder/syncs")
  else
    local sql="SELECT wal_sync FROM pg_stat_wal"
    as_postgres psql -h 127.0.0.1 -p 5094 -U postgres -q -c "SELECT pg_stat_reset_shared('wal')" >/dev/null
    PRODUCTS=10000 wrk -t2 -c"$connections" -d4s -s bench/wrk/purchase.lua http://127.0.0.1:5092 >/dev/null
    sleep 1
    calls=$(as_postgres psql -h 127.0.0.1 -p 5094 -U postgres -qAt -c "$sql")
  fi
  after=$(counters)
  awk -v store="$1" -v before="$before" -v after="$after" -v calls="$calls" 'BEGIN {
    split(before, list, " "); for (i in list) { split(list[i], pair, "="); b[pair[1]] = pair[2] }
    split(after, list, " "); for (i in list) { split(list[i], pair, "="); a[pair[1]] = pair[2] - b[pair[1]] }
    printf "system=syncs store=%s work=spread round=1 syncs=%d commits=%d commands=%d\n", store, calls, a["commits"], a["commands"] }' >>"$results"
}

close_shop() { # STORE
  local stored
  echo "system=server store=$1 work=all round=1 $(counters)" >>"$results"
  kill "$server_pid"
  wait "$server_pid" 2>/dev/null || true
  # Started again on what it stored: from the start of the process to the first answer that it is ready.
  for round in 1 2 3; do
    local begun
    begun=$(date +%s%N)
    Jumun__Store=$1 ConnectionStrings__Jumun=$connection Jumun__DataPlatform__Path=$folder/$1.ndjson ASPNETCORE_URLS=http://127.0.0.1:5092 \
      dotnet "$server" serve >"$folder/server.log" 2>&1 &
    server_pid=$!
    until curl -sf http://127.0.0.1:5092/health/ready >/dev/null; do
      kill -0 "$server_pid" || { cat "$folder/server.log" >&2; exit 1; }
      sleep 0.01
    done
    echo "system=start store=$1 work=all round=$round ready_ms=$((($(date +%s%N) - begun) / 1000000))" >>"$results"
    kill "$server_pid"
    wait "$server_pid" 2>/dev/null || true
  done
  audit "$1" "$connection" >&2
}
