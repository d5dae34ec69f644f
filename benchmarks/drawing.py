# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What all charts have in common."""

import textwrap
import typing

from matplotlib import figure

#: Columns of a caption.
_CAPTION = 92

SETTINGS: typing.Any = {
    # Text stays text, which is small, and can be searched for.
    'svg.fonttype': 'none',
    # The same figures make the same file.
    'svg.hashsalt': 'openstack-image-stream',
    'font.family': 'sans-serif',
    'font.size': 10,
    'axes.spines.top': False,
    'axes.spines.right': False,
}


def blank(
    title: str,
    caption: str,
    height: float = 4.2,
    shape: tuple[int, int] = (1, 1),
) -> tuple[figure.Figure, typing.Any]:
    """Return a picture and its axes.

    :param height: In inches, without the caption.
    :param shape: Rows and columns of axes, an array if there are several.
    """
    lines = textwrap.wrap(caption, _CAPTION)
    below = 0.2 * len(lines)
    picture = figure.Figure((7.5, height + below), layout='constrained')
    # The caption has its own place, which the layout leaves alone.
    above, place = picture.subfigures(
        2, 1, height_ratios=(height, below), squeeze=False
    ).flat
    place.text(0.02, 0.9, '\n'.join(lines), va='top', fontsize=9)
    above.suptitle(title, x=0.02, ha='left', fontweight='bold')
    axes = above.subplots(*shape)
    return picture, axes


def finished(picture: figure.Figure, axes: typing.Any) -> figure.Figure:
    """Add what a chart with lines needs."""
    axes.grid(color='#DDDDDD', linewidth=0.6)
    axes.legend(frameon=False)
    return picture


def size(mib: int) -> str:
    """Return a size for people."""
    return f'{mib // 1024} GiB' if mib % 1024 == 0 else f'{mib} MiB'
