import sharp = require('unsharp/sharp')

export = sharp
