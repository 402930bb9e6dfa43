#!/usr/bin/env python3
"""Compiles the kernels of FlashInfer that paged_attention.py times; needs nvcc and jinja2, no GPU.

    flashinfer_modules.py FLASHINFER TVM_FFI OUT [--nvcc nvcc] [--jobs N]

FLASHINFER and TVM_FFI are the folders of the Python packages `flashinfer` (0.7.2.post1) and
`tvm_ffi` (of apache-tvm-ffi, 0.1.11 or newer): installed, or unpacked from their wheels. Writes five
modules for compute capability 9.0a and version.txt into OUT: decode64, decode128 (CUDA cores),
paged64, paged128 (tensor cores), mla. They are the sources and flags of FlashInfer's own
just-in-time builder; what is left out are the masks that decoding has no use for. Where they are
timed only tvm_ffi is needed, which is far smaller than FlashInfer.
"""
import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys

BASE = {"dtype_q": "nv_bfloat16", "dtype_kv": "nv_bfloat16", "dtype_o": "nv_bfloat16",
        "idtype": "int32_t", "dtype_idx": "int32_t", "pos_encoding_mode": "PosEncodingMode::kNone",
        "use_sliding_window": "false", "use_logits_soft_cap": "false",
        "variant_decl": "#include<flashinfer/attention/variants.cuh>"}
SCALARS = {"logits_soft_cap": "double", "sm_scale": "double", "rope_rcp_scale": "double",
           "rope_rcp_theta": "double"}
PAGED_TENSORS = {"maybe_custom_mask": "uint8_t", "maybe_mask_indptr": "int32_t",
                 "maybe_alibi_slopes": "float", "maybe_prefix_len_ptr": "uint32_t",
                 "maybe_token_pos_in_items_ptr": "uint16_t", "maybe_max_item_len_ptr": "uint16_t",
                 "maybe_k_cache_sf": "uint8_t", "maybe_v_cache_sf": "uint8_t"}
FLAGS = ["-std=c++17", "--compiler-options=-fPIC", "--expt-relaxed-constexpr",
         "-static-global-template-stub=false", "-use_fast_math", "-Xfatbin=-compress-all",
         "-DFLASHINFER_ENABLE_F16", "-DFLASHINFER_ENABLE_BF16", "-DFLASHINFER_ENABLE_FP8_E4M3",
         "-DFLASHINFER_ENABLE_FP8_E5M2", "-DFLASHINFER_ENABLE_FP8_E8M0",
         "-DFLASHINFER_ENABLE_FP4_E2M1", "-DCUTE_SM90_EXTENDED_MMA_SHAPES_ENABLED", "-DNDEBUG",
         "-O3", "-gencode=arch=compute_90a,code=sm_90a"]


def additional(tensors, scalars):
    """The parameters that a variant of attention adds, as FlashInfer's templates want them."""
    declared = [f"{kind}* {name};" for name, kind in tensors.items()]
    declared += [f"{kind} {name};" for name, kind in scalars.items()]
    taken = [f", Optional<ffi::Tensor> {name}" for name in tensors]
    taken += [f", {kind} {name}" for name, kind in scalars.items()]
    set_ = [f"params.{name} = {name} ? static_cast<{kind}*>({name}.value().data_ptr()): nullptr;"
            for name, kind in tensors.items()]
    set_ += [f"params.{name} = {name};" for name in scalars]
    return {"additional_params_decl": "\n".join(declared), "additional_func_params": "".join(taken),
            "additional_params_setter": " \\\n".join(set_)}


def without_masks(config):
    """The dispatch over mask modes, pinned to none."""
    begin, end = "DISPATCH_MASK_MODE(mask_mode, MASK_MODE, { \\", "__VA_ARGS__(); \\\n  })"
    if begin not in config or end not in config:
        raise SystemExit("error: this FlashInfer dispatches masks in another way\n"
                         "  hint: take flashinfer-python 0.7.2.post1")
    config = config.replace(
        begin, "{ constexpr auto MASK_MODE = MaskMode::kNone; (void)mask_mode; \\")
    return config.replace(end, "__VA_ARGS__(); \\\n  }")


def part(text, begin, end):
    return text[text.index(begin):text.index(end)]


def modules(csrc):
    """Name -> file -> text of every module."""
    import jinja2

    def read(name):
        with open(os.path.join(csrc, name), encoding="utf-8") as source:
            return source.read()

    def fill(name, values):
        return jinja2.Template(read(name)).render(**values)

    made = {}
    for dim in (64, 128):
        values = {**BASE, "head_dim_qk": dim, "head_dim_vo": dim,
                  "variant_name": "DefaultAttention<false, false, false, false>",
                  **additional({"maybe_alibi_slopes": "float"}, SCALARS)}
        made[f"decode{dim}"] = {
            "batch_decode_config.inc": fill("batch_decode_customize_config.jinja", values),
            "kernel.cu": fill("batch_decode_kernel_inst.jinja", values),
            "host.cu": read("batch_decode.cu"), "binding.cu": read("batch_decode_jit_binding.cu")}
        values = {**BASE, "head_dim_qk": dim, "head_dim_vo": dim,
                  "variant_name": "DefaultAttention<use_custom_mask, false, false, false>",
                  "use_fp16_qk_reduction": "false", "paged_kv_stride_mode": "equal",
                  "same_kv_strides_values": ["true"], "require_fp4_kv_cache": False,
                  "mask_mode": "MaskMode::kNone",
                  **additional(PAGED_TENSORS, {**SCALARS, "token_pos_in_items_len": "int64_t"})}
        plan = "Array<int64_t> BatchPrefillWithKVCachePlan"
        sizes = "Array<int64_t> BatchPrefillWithKVCacheWorkspaceSize"
        host = read("batch_prefill.cu")
        made[f"paged{dim}"] = {
            "batch_prefill_config.inc": without_masks(
                fill("batch_prefill_customize_config.jinja", values)),
            "batch_prefill_paged.cuh": read("batch_prefill_paged.cuh"),
            "kernel.cu": fill("batch_prefill_paged_kernel_inst.jinja", values),
            "host.cu": host[:host.index(sizes)] + '\n#include "batch_prefill_paged.cuh"\n',
            "binding.cu": read("batch_prefill_paged_jit_binding.cu") +
                          part(read("batch_prefill_jit_binding.cu"), plan, sizes) +
                          "TVM_FFI_DLL_EXPORT_TYPED_FUNC(plan, BatchPrefillWithKVCachePlan);\n"}
    latent = {**BASE, "head_dim_ckv": 512, "head_dim_kpe": 64}
    config = without_masks(fill("batch_mla_config.jinja", latent))
    made["mla"] = {"batch_mla_sm90_config.inc": config,
                   **{name: read(f"batch_mla_sm90_{name}")
                      for name in ("plan.cu", "run.cu", "binding.cu")}}
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flashinfer")
    parser.add_argument("tvm_ffi")
    parser.add_argument("out")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    data = os.path.join(arguments.flashinfer, "data")
    csrc = os.path.join(data, "csrc")
    if not os.path.exists(os.path.join(csrc, "batch_mla_config.jinja")):
        print(f"error: no sources of FlashInfer under {data}\n"
              "  hint: name the folder of the package flashinfer", file=sys.stderr)
        return 2
    includes = [f"-I{os.path.join(data, 'cccl', name)}"
                for name in ("libcudacxx/include", "cub", "thrust")]
    for folder in [os.path.join(arguments.tvm_ffi, "include"),
                   *glob.glob(os.path.join(arguments.tvm_ffi, "3rdparty", "*", "include")),
                   os.path.join(data, "include"), csrc, os.path.join(data, "cutlass", "include"),
                   os.path.join(data, "cutlass", "tools", "util", "include"),
                   os.path.join(data, "spdlog", "include")]:
        includes += ["-isystem", folder]

    def compile_one(source):
        subprocess.run([arguments.nvcc, *includes, *FLAGS, "-c", source, "-o", source + ".o"],
                       check=True)
        return source + ".o"

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        objects = {}
        for name, files in modules(csrc).items():
            folder = os.path.join(arguments.out, name)
            os.makedirs(folder, exist_ok=True)
            for file, text in files.items():
                with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                    out.write(text)
            objects[name] = [pool.submit(compile_one, os.path.join(folder, file))
                             for file in files if file.endswith(".cu")]
        for name, parts in objects.items():
            subprocess.run([arguments.nvcc, "-shared", "-cudart", "shared",
                            *[each.result() for each in parts], "-o",
                            os.path.join(arguments.out, name + ".so")], check=True)
    version = "unknown"
    for found in glob.glob(arguments.flashinfer.rstrip("/") + "_python-*.dist-info"):
        version = os.path.basename(found)[len("flashinfer_python-"):-len(".dist-info")]
    with open(os.path.join(arguments.out, "version.txt"), "w", encoding="utf-8") as out:
        out.write(version + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
