"""What processes of one job do together besides computing."""
import datetime

import torch
import torch.distributed as dist


def joined(device):
    if device.type == "cuda":
        dist.init_process_group("nccl", device_id=device, timeout=datetime.timedelta(seconds=120))
    else:
        dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=120))


def agreement(device):
    """A function that gives all ranks the count of rank 0."""
    def agree(count):
        word = torch.tensor([count], device=device, dtype=torch.int64)
        dist.broadcast(word, 0)
        return int(word.item())
    return agree


def gathered(value):
    """The number that each rank has, in order of ranks."""
    found = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found
