'use strict'

// This package has the version of the sharp that it stands in for, so that it is in the range that Next asks for.
module.exports = require('unsharp/sharp')
