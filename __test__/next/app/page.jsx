import Image from 'next/image'
import picture from './picture.jpg'

export default function Page() {
  return (
    <main>
      <h1>A page of the test app</h1>
      <Image src={picture} alt="imported" sizes="50vw" />
      <Image src="/photo.jpg" alt="public" width={600} height={400} />
    </main>
  )
}
