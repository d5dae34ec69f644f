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

import os
import pathlib

import setuptools

# pbr takes the version from the tags of git or from the metadata of an sdist.
# An archive of the bare tree has neither, and should build all the same.
_HERE = pathlib.Path(__file__).resolve().parent
if not ((_HERE / '.git').exists() or (_HERE / 'PKG-INFO').exists()):
    os.environ.setdefault('PBR_VERSION', '0.0.1.dev0')

setuptools.setup(setup_requires=['pbr>=2.0.0'], pbr=True)
