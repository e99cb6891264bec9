import Image from 'next/image'
import photo from '../photo.jpg'

export default function Page() {
  return (
    <main>
      <h1>App Router</h1>
      <Image alt="A photograph" src={photo} placeholder="blur" sizes="100vw" />
    </main>
  )
}
