#!/usr/bin/env bash
# Compares the VNNI kernels with the portable ones: here, where the processor has AVX512-VNNI, else,
# or with FORCE=1, on a PC that Bochs emulates, without an operating system.
# `make test-vnni` installs what is needed and calls it. SHAPES sets how many shapes each kernel is
# compared on.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-.build-vnni}
mkdir -p "$out"
kernels=Sources/CKernels
check=Tests/CKernelsCheck
here=Tests/CKernelsVNNI

if grep -qw avx512_vnni /proc/cpuinfo && [ -z "${FORCE:-}" ]; then
  shapes=${SHAPES:-10000}
  echo "This processor has AVX512-VNNI: the kernels run natively, as in the ordinary tests; FORCE=1"
  echo "runs them under Bochs."
  flags=()
else
  shapes=${SHAPES:-2000}
  musl=$(echo /usr/lib/*-linux-musl/libc.a)
  flags=(-DBARE -ffreestanding -mno-red-zone -fno-stack-protector -fno-pic -nostdinc
    -isystem "$(clang -print-resource-dir)/include" -isystem "/usr/include/$(uname -m)-linux-musl")
fi

# compile NAME FLAG...: one source of the kernels or the checks into an object.
compile() {
  local object="$out/$(basename "$1" .c).o"
  clang -O2 -I$kernels/include -I$check/include "${flags[@]}" "-DSHAPES=$shapes" "${@:2}" \
    -c "$1" -o "$object"
  objects+=("$object")
}
objects=()
for source in $check/*.c $here/main.c $kernels/float_{portable,sse41,avx2,avx512}.c \
  $kernels/int8_{gemm,attention}_{portable,sse41,avx2,avx512vnni,avx512fip}.c \
  $kernels/int8_rows_{portable,sse41,avx2,avx512}.c $kernels/int8_tables.c; do
  compile "$source"
done
# AVX-VNNI with the EVEX form of its instructions, 256 bits wide.
evex='__attribute__((target("avx2,fma,avx512f,avx512vl,avx512vnni")))'
compile $kernels/int8_gemm_avxvnni.c "-DTARGET=$evex" '-DVPDPBUSD="%{evex%} vpdpbusd"'
compile $kernels/int8_attention_avxvnni.c "-DTARGET=$evex" '-DVEX="%{evex%} "'

if [ ${#flags[@]} = 0 ]; then
  clang "${objects[@]}" -lm -o "$out/check"
  "$out/check"
else
  compile $here/bare.c
  clang -nostdlib -static -fuse-ld=lld -Wl,-T,$here/payload.ld -Wl,--build-id=none \
    "${objects[@]}" "$musl" -o "$out/payload.elf"
  llvm-objcopy -O binary "$out/payload.elf" "$out/payload.bin"
  sectors=$((($(stat -c %s "$out/payload.bin") + 511) / 512))
  clang -c "-DPAYLOAD_SECTORS=$sectors" $here/boot.S -o "$out/boot.o"
  ld.lld --image-base=0 -Ttext=0x7c00 --oformat binary "$out/boot.o" -o "$out/boot.bin"
  cat "$out/boot.bin" "$out/payload.bin" >"$out/disk.img"
  truncate -s $((2 * 16 * 63 * 512)) "$out/disk.img" # what bochsrc says of its geometry
  cp $here/bochsrc "$out/bochsrc"
  printf 'continue\nquit\n' >"$out/commands" # Debian's Bochs starts in its debugger
  (
    cd "$out"
    rm -f serial.txt disk.img.lock
    timeout "${LIMIT:-600}" bochs -q -f bochsrc -rc commands </dev/null >screen.txt 2>&1 || true
  )
  [ -f "$out/serial.txt" ] || { echo "Bochs did not get to the payload; see $out/bochs.log" >&2; exit 1; }
  cat "$out/serial.txt"
  grep -q "verdict: all equal" "$out/serial.txt" || exit 1
fi
grep -qw avx_vnni /proc/cpuinfo ||
  echo "Skipped: AVX-VNNI in its VEX form, which neither this processor nor an emulator has."
