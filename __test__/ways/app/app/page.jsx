import Image from 'next/image'
import photo from './static.jpg'

export default function Page() {
  return <Image src={photo} alt="A photo" placeholder="blur" width={640} />
}
